// Experts: their products have the bits of the linear layers (linear.cpp) over each expert's rows, and agree with double
// precision, whoever meets whom: many rows to one expert, one, none; any number of threads.
#include <stdio.h>

#include "../src/block_linear.h"
#include "weights.h"

extern "C" const char *ba_isa(void);

namespace {

// Which experts tokens meet, by `kind`: at random, all the same, each its own, or few of many.
std::vector<int32_t> choose(Random &random, int kind, int experts, int used, int tokens) {
  std::vector<int32_t> ids;
  for (int t = 0; t < tokens; t++)
    for (int i = 0; i < used; i++)
      ids.push_back(kind == 0   ? (random.between(0, experts - 1) + i) % experts
                    : kind == 1 ? i % experts
                    : kind == 2 ? (t * used + i) % experts
                                : experts - 1 - (random.between(0, 1) + i) % experts);
  return ids;
}

struct Worst {
  double whole = 0;
  uint64_t digest = 14695981039346656037u;  // FNV-1a of all results of integer products
};

bool check(uint64_t seed, Worst *worst) {
  Random random(seed);
  const Type &t = types[random.between(0, TYPES - 1)];
  const int unit = t.group;
  // Often more than is unpacked at a time.
  const int k = unit == 1 ? random.between(0, 1) ? random.between(1, 600) : 32 * random.between(1, 20) : unit * random.between(1, unit == 32 ? 70 : 9), n = 8 * random.between(1, 9);
  const int experts = random.between(1, 9), used = random.between(1, std::min(experts, 4)), tokens = random.between(1, 40);
  const int x_rows = random.between(0, 1) ? used : 1, threads = random.between(1, 5), entries = used * tokens;
  const int64_t bytes = ba_experts_packed_bytes(t.id, k, n, experts, used, tokens, x_rows);
  if (bytes < 0) return unit != 1;  // an ISA without int8
  const int64_t row_bytes = k / unit * t.bytes;
  const size_t columns = static_cast<size_t>(k), outs = static_cast<size_t>(n);
  Bytes weight(static_cast<size_t>(row_bytes * n * experts)), packed(static_cast<size_t>(bytes));
  std::vector<double> w(columns * outs * static_cast<size_t>(experts));
  for (int64_t i = 0; i < int64_t{k} / unit * n * experts; i++)
    fill(random, t, reinterpret_cast<unsigned char *>(weight.data()) + i * t.bytes, &w[static_cast<size_t>(i * unit)]);
  std::vector<float> x(columns * static_cast<size_t>(tokens * x_rows));
  for (float &value : x) value = random.unit();
  std::vector<int32_t> ids = choose(random, random.between(0, 3), experts, used, tokens);
  const int wrong = random.between(0, 9) ? -1 : random.between(0, entries - 1);
  if (wrong >= 0) ids[static_cast<size_t>(wrong)] = random.between(0, 1) ? experts : -7;
  const float untouched = 12345.5f;
  std::vector<float> y(outs * static_cast<size_t>(entries), untouched);
  ba_experts p = {t.id, k, n, experts, used, tokens, x_rows, weight.data(), row_bytes, x.data(), ids.data(), packed.data(), y.data()};
  for (int i = 0; i < threads; i++)
    if (ba_experts_run(&p, i, threads)) return false;
  double squares = 0, errors = 0;
  const auto row_of = [&](int entry) { return static_cast<size_t>(x_rows == 1 ? entry / used : entry) * columns; };
  for (int e = 0; e < experts; e++) {
    std::vector<float> rows, expected;
    std::vector<int> from;
    for (int i = 0; i < entries; i++) {
      if (ids[static_cast<size_t>(i)] != e) continue;
      from.push_back(i);
      rows.insert(rows.end(), &x[row_of(i)], &x[row_of(i)] + k);
    }
    if (from.empty()) continue;
    const int count = static_cast<int>(from.size());
    expected.resize(outs * from.size());
    const char *matrix = weight.data() + e * row_bytes * n;
    Bytes memory(static_cast<size_t>(ba_linear_packed_bytes(t.id, k, n, count)));
    ba_linear_run(t.id, matrix, row_bytes, k, n, rows.data(), count, memory.data(), expected.data(), 0, 1);
    for (size_t i = 0; i < from.size(); i++) {
      const float *got = &y[static_cast<size_t>(from[i]) * outs];
      if (memcmp(got, &expected[i * outs], outs * sizeof(float)) != 0) {
        printf("seed %llu: %s [%d, %d] x %d experts, %d of %d tokens each: entry %d has other bits than the linear layer\n",
               static_cast<unsigned long long>(seed), t.name, k, n, experts, used, tokens, from[i]);
        return false;
      }
      for (size_t o = 0; o < outs; o++) {
        double sum = 0;
        for (size_t j = 0; j < columns; j++)
          sum += w[(static_cast<size_t>(e) * outs + o) * columns + j] * static_cast<double>(rows[i * columns + j]);
        squares += sum * sum;
        errors += (got[o] - sum) * (got[o] - sum);
      }
      if (unit != 1)
        for (size_t b = 0; b < outs * sizeof(float); b++)
          worst->digest = (worst->digest ^ reinterpret_cast<const unsigned char *>(got)[b]) * 1099511628211u;
    }
  }
  for (size_t o = 0; wrong >= 0 && o < outs; o++) {
    const float got = y[static_cast<size_t>(wrong) * outs + o];
    if (got == got) {
      printf("seed %llu: an entry of no expert is not NaN\n", static_cast<unsigned long long>(seed));
      return false;
    }
  }
  const double whole = squares > 0 ? sqrt(errors / squares) : sqrt(errors);
  worst->whole = std::max(worst->whole, whole);
  if (!(whole <= 3e-2)) {
    printf("seed %llu: %s [%d, %d] x %d experts: relative error %.2g\n", static_cast<unsigned long long>(seed), t.name, k, n,
           experts, whole);
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) {
  const int cases = argc > 1 ? atoi(argv[1]) : 300;
  const uint64_t first = argc > 2 ? strtoull(argv[2], nullptr, 10) : 1;
  Worst worst;
  for (int i = 0; i < cases; i++)
    if (!check(first + static_cast<uint64_t>(i), &worst)) return 1;
  if (ba_experts_packed_bytes(F32, 8, 12, 4, 2, 3, 1) != -1 || ba_experts_packed_bytes(Q4_1, 33, 8, 4, 2, 3, 1) != -1 ||
      ba_experts_packed_bytes(F32, 8, 8, 4, 2, 3, 3) != -1 || ba_experts_packed_bytes(F32, 8, 8, 0, 2, 3, 1) != -1) {
    printf("a shape that does not fit is taken\n");
    return 1;
  }
  printf("%s: %d cases, worst relative error %.2e in all; integers %016llx\n", ba_linear_isa(), cases, worst.whole,
         static_cast<unsigned long long>(worst.digest));
  return 0;
}
