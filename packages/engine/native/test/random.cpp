// Randomised test of the kernel against double precision: shapes, lengths, offsets, types, windows, batches, threads.
//
// usage: random [cases] [first seed]. A failure prints the seed that repeats it. Besides the result of every row it
// checks that rows of no sequence stay untouched, and that the same call gives the same bits again.
#include <stdio.h>

#include "reference.h"

namespace {

template <typename T, size_t N>
T pick(Random &random, const T (&from)[N]) {
  return from[random.next() % N];
}

struct Case {
  ba_params params{};
  std::vector<Stored> stored;
  std::vector<std::vector<float>> angles;
  std::vector<std::vector<ba_block>> blocks;
  std::vector<std::vector<ReferenceBlock>> reference;
  std::vector<ba_sequence> sequences;
  std::vector<float> q, sinks;
  int rows = 0, threads = 1;
  bool exact = true;  // no q8_0
};

ba_block block(const Case &c, const Stored &s, int start, const std::vector<float> *angles, int hidden = 0) {
  const float *cos = angles ? angles->data() : nullptr;
  const void *v = c.params.latent > 0 ? nullptr : s.v.data();
  return {s.k.data(), v, cos, cos ? cos + angles->size() / 2 : nullptr, s.n, s.n_pad, start, s.type, hidden, 0};
}

int padded(int n) { return (n + 31) / 32 * 32; }

// Angles of every block are tables of their own, as different sequences would make them.
const std::vector<float> *angles_of(Case &c, int start) {
  std::vector<float> table(static_cast<size_t>(c.params.n_rot));
  for (int i = 0; i < c.params.n_rot / 2; i++) {
    table[static_cast<size_t>(i)] = static_cast<float>(cos(reference_angle(start, i, c.params.n_rot)));
    table[static_cast<size_t>(i + c.params.n_rot / 2)] =
        static_cast<float>(sin(reference_angle(start, i, c.params.n_rot)));
  }
  c.angles.push_back(std::move(table));
  return &c.angles.back();
}

int length(Random &random) {
  switch (random.between(0, 5)) {
    case 0:
      return 1;
    case 1:
      return random.between(2, 40);
    case 2:
      return pick(random, {31, 32, 33, 63, 64, 65, 127, 128, 129, 511, 512, 513});
    default:
      return random.between(1, 300);
  }
}

Case make(uint64_t seed) {
  Random random(seed);
  Case c;
  const int type = pick(random, {BA_F32, BA_F16, BA_F16, BA_Q8_0});
  const int own_type = type == BA_Q8_0 && random.between(0, 1) ? BA_F16 : type;
  const int dim = type == BA_Q8_0 ? pick(random, {32, 64, 64, 96, 128, 256})
                                  : pick(random, {8, 16, 24, 40, 64, 64, 72, 80, 96, 128, 256});
  const int kv_heads = random.between(1, 4), group = pick(random, {1, 1, 2, 3, 3, 4, 5, 8});
  c.exact = type != BA_Q8_0;
  c.params = {BA_ABI_VERSION,
              dim,
              kv_heads * group,
              kv_heads,
              0,
              random.between(0, 1),
              0,
              0,
              1.0f / sqrtf(static_cast<float>(dim)),
              0,
              0,
              0,
              nullptr,
              nullptr};
  c.params.n_rot = random.between(0, 2) ? dim : 2 * random.between(1, dim / 2);
  if (random.between(0, 2) == 0) c.params.window = random.between(1, 400);
  if (random.between(0, 3) == 0) c.params.softcap = static_cast<float>(random.between(1, 60));
  const int step = type == BA_Q8_0 ? 32 : 8;
  if (random.between(0, 3) == 0) c.params.latent = step * random.between(1, dim / step);
  if (random.between(0, 3) == 0) {
    for (int h = 0; h < c.params.heads; h++) c.sinks.push_back(static_cast<float>(random.between(-40, 40)) / 10);
    c.params.sinks = c.sinks.data();
  }
  c.threads = random.between(1, 9);

  const bool decode = random.between(0, 1);
  const int n_sequences = random.between(0, 9) == 0 ? random.between(0, 2)
                          : decode                  ? random.between(1, 9)
                                                    : random.between(1, 3);
  // Each block held by another subset of the sequences: more shared runs than there is room for.
  const bool scattered = decode && random.between(0, 7) == 0;
  const int pool = scattered ? 30 : random.between(0, 6);
  const int hiding = random.between(0, 2) ? 0 : pick(random, {1, 2, 4, 4, 31, 32, 33, 65});
  const size_t reserve = static_cast<size_t>(pool + n_sequences);
  c.stored.reserve(reserve);
  c.angles.reserve(static_cast<size_t>(n_sequences) * 31);
  for (int i = 0; i < pool; i++) {
    const int n = scattered ? random.between(1, 32) : length(random);
    c.stored.emplace_back(random, kv_heads, dim, n, padded(n), type, true, false);
  }
  for (int s = 0; s < n_sequences; s++) {
    std::vector<ba_block> blocks;
    std::vector<ReferenceBlock> reference;
    int start = random.between(0, 3) ? 0 : random.between(0, 3) * 64;
    const auto add = [&](const Stored &x) {
      const bool rotated = start != 0 && (scattered || random.between(0, 7) != 0);
      // Mostly as many of every block, so that sequences still share them; sometimes more than there are.
      const int hidden = hiding && random.between(0, 9) ? hiding : random.between(0, 9) ? 0 : random.between(1, 70);
      blocks.push_back(block(c, x, start, rotated ? angles_of(c, start) : nullptr, hidden));
      reference.push_back({&x, start, rotated, false, hidden});
    };
    for (start = scattered ? 32 : start; scattered && start <= 32 * pool; start += 32)
      if (random.between(0, 1)) add(c.stored[static_cast<size_t>(start / 32 - 1)]);
    for (int left = pool && !scattered ? random.between(0, 12) : 0; left > 0; left--) {
      // Often the same order in every sequence, so that blocks meet at the same position; sometimes one twice there.
      const int next = random.between(0, 3) ? static_cast<int>(blocks.size()) % pool : random.between(0, pool - 1);
      const Stored &x = c.stored[static_cast<size_t>(next)];
      add(x);
      if (random.between(0, 9) == 0) add(x);
      if (random.between(0, 9)) start += x.n;
    }
    const int queries = random.between(0, 9) == 0 ? 0
                        : decode                  ? random.between(1, random.between(1, 5))
                                                  : random.between(1, 90);
    const int earlier = random.between(0, 2) ? 0 : random.between(1, 200);
    const int n = queries + earlier, capacity = padded(n) + 32 * random.between(0, 3);
    c.stored.emplace_back(random, kv_heads, dim, n, capacity, own_type, true, true);
    const Stored &own = c.stored.back();
    reference.push_back({&own, start, false, true, 0});
    if (random.between(0, 3) == 0) c.rows += random.between(1, 2);
    c.blocks.push_back(std::move(blocks));
    c.reference.push_back(std::move(reference));
    c.sequences.push_back({c.blocks.back().data(), static_cast<int32_t>(c.blocks.back().size()), c.rows, queries,
                           start + earlier, block(c, own, start, nullptr)});
    c.rows += queries;
  }
  c.params.n_sequences = n_sequences;
  c.params.sequences = c.sequences.data();
  const float spread = pick(random, {0.1f, 1.0f, 1.0f, 4.0f});
  for (int64_t i = 0; i < int64_t{c.rows} * c.params.heads * dim; i++) c.q.push_back(random.unit() * spread);
  return c;
}

constexpr float UNTOUCHED = 12345.5f;

bool check(uint64_t seed, double &worst_exact, double &worst_q8) {
  const Case c = make(seed);
  const size_t dim = static_cast<size_t>(c.params.head_dim);
  const size_t value = c.params.latent > 0 ? static_cast<size_t>(c.params.latent) : dim;
  const size_t heads = static_cast<size_t>(c.params.heads), row_size = heads * value;
  std::vector<float> out(static_cast<size_t>(c.rows) * row_size, UNTOUCHED), again(out.size(), UNTOUCHED);
  ba_run(&c.params, c.q.data(), out.data(), c.threads);
  ba_run(&c.params, c.q.data(), again.data(), c.threads);
  if (!out.empty() && memcmp(out.data(), again.data(), out.size() * sizeof(float)) != 0) {
    printf("seed %llu: two runs with %d threads differ\n", static_cast<unsigned long long>(seed), c.threads);
    return false;
  }
  // Cut for that many, the result is the same whoever computes it.
  ba_params cut = c.params;
  cut.cut = c.threads;
  ba_run(&cut, c.q.data(), again.data(), 1 + static_cast<int>(seed % 4));
  if (!out.empty() && memcmp(out.data(), again.data(), out.size() * sizeof(float)) != 0) {
    printf("seed %llu: cut for %d threads, another number of them differs\n", static_cast<unsigned long long>(seed),
           c.threads);
    return false;
  }
  std::vector<bool> owned(static_cast<size_t>(c.rows), false);
  const double bound = c.exact ? 1e-5 : 1e-3;
  double &worst = c.exact ? worst_exact : worst_q8;
  for (size_t s = 0; s < c.sequences.size(); s++) {
    for (int i = 0; i < c.sequences[s].n_queries; i++) {
      const size_t row = static_cast<size_t>(c.sequences[s].row + i);
      owned[row] = true;
      for (int h = 0; h < c.params.heads; h++) {
        const size_t head = row * heads + static_cast<size_t>(h), at = head * value;
        const std::vector<double> expected =
            reference_row(c.params, c.reference[s], &c.q[head * dim], h, c.sequences[s].position + i);
        double norm = 0, error = 0;
        for (size_t d = 0; d < expected.size(); d++) {
          norm += expected[d] * expected[d];
          error += (out[at + d] - expected[d]) * (out[at + d] - expected[d]);
        }
        const double relative = norm > 0 ? sqrt(error / norm) : sqrt(error);
        if (relative > worst) worst = relative;
        if (!(relative <= bound)) {
          printf(
              "seed %llu: sequence %zu query %d head %d: relative error %.3g, allowed %.0e (dim %d, heads %d/%d, "
              "window %d, %d threads)\n",
              static_cast<unsigned long long>(seed), s, i, h, relative, bound, c.params.head_dim, c.params.heads,
              c.params.kv_heads, c.params.window, c.threads);
          return false;
        }
      }
    }
  }
  for (size_t row = 0; row < owned.size(); row++)
    for (size_t i = 0; i < row_size && !owned[row]; i++)
      if (out[row * row_size + i] != UNTOUCHED) {
        printf("seed %llu: row %zu belongs to no sequence and was written\n", static_cast<unsigned long long>(seed),
               row);
        return false;
      }
  return true;
}

}  // namespace

int main(int argc, char **argv) {
  const int cases = argc > 1 ? atoi(argv[1]) : 500;
  const uint64_t first = argc > 2 ? strtoull(argv[2], nullptr, 10) : 1;
  double worst_exact = 0, worst_q8 = 0;
  for (int i = 0; i < cases; i++)
    if (!check(first + static_cast<uint64_t>(i), worst_exact, worst_q8)) return 1;
  printf("%s: %d cases, worst relative error %.2e (f32, f16), %.2e (q8_0)\n", ba_isa(), cases, worst_exact, worst_q8);
  return 0;
}
