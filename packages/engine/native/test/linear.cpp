// Linear layers against double precision: random weights of every type, shapes, numbers of rows and of threads.
//
// What was packed is read back, so two things are told apart: packing errs by what rounding to its precision explains,
// and the product of the weights with the packed rows is exact but for the rounding of f32 sums.
#include <stdio.h>

#include "../src/block_linear.h"
#include "weights.h"

extern "C" const char *ba_isa(void);

namespace {

// The lanes of the f32 panel that holds `row`, and its first row: as many vectors as fit, four as two and two.
void find_panel(int row, int rows, int lanes, int *first, int *width) {
  // By how many registers the ISA has: 16 or 32.
  const bool few = strcmp(ba_isa(), "avx2") == 0 || strcmp(ba_isa(), "baseline") == 0;
  const int vectors = (rows + lanes - 1) / lanes;
  for (int at = 0, n; at < vectors; at += n) {
    n = vectors - at == 4 ? 2 : std::min(vectors - at, few ? 2 : 3);
    *first = at * lanes;
    *width = n * lanes;
    if (row < (at + n) * lanes) return;
  }
}

bool has_vnni() { return strstr(ba_linear_isa(), "vnni") || strcmp(ba_linear_isa(), "avx512_bf16") == 0; }

double packed_at(const Type &t, const char *packed, int k, int rows, int lanes, int row, int i) {
  if (t.id == BF16 && k % 32 == 0 && strcmp(ba_linear_isa(), "avx512_bf16") == 0) {
    uint32_t bits = 0;
    memcpy(reinterpret_cast<char *>(&bits) + 2, packed + (static_cast<int64_t>(row) * k + i) * 2, 2);
    float x;
    memcpy(&x, &bits, 4);
    return x;
  }
  if (t.group == 1) {
    int first, width;
    find_panel(row, rows, lanes, &first, &width);
    float x;
    memcpy(&x, packed + (static_cast<int64_t>(first) * k + static_cast<int64_t>(i) * width + row - first) * 4, 4);
    return x;
  }
  // 32 bytes, then a scale and a sum, with VNNI two.
  const char *group = packed + (static_cast<int64_t>(row) * (k / 32) + i / 32) * (has_vnni() ? 44 : 40);
  float scale;
  memcpy(&scale, group + 32, 4);
  return static_cast<double>(scale) * static_cast<int8_t>(group[i % 32]);
}

struct Worst {
  double packing = 0, product = 0, whole = 0;
  uint64_t digest = 14695981039346656037u;  // FNV-1a of all results of integer products
};

bool check(uint64_t seed, Worst *worst) {
  Random random(seed);
  const size_t which = static_cast<size_t>(random.between(0, TYPES - 1));
  const Type &t = types[which];
  const int unit = t.group == 1 ? 1 : t.group;
  const int k = t.group == 1 ? random.between(0, 1) ? random.between(1, 900) : 32 * random.between(1, 40) : unit * random.between(1, t.group == 32 ? 60 : 7);
  const int n = 8 * random.between(1, 12);
  const int rows = random.between(0, 11) == 0 ? random.between(481, 1100) : random.between(1, 130);
  const int threads = random.between(1, 5);
  const int64_t bytes = ba_linear_packed_bytes(t.id, k, n, rows);
  if (bytes < 0) return t.group != 1;  // an ISA without int8
  const int lanes = strcmp(ba_isa(), "avx512") == 0 ? 16 : strstr(ba_isa(), "avx") ? 8 : 4;
  const int64_t row_bytes = k / unit * t.bytes;
  Bytes weight(static_cast<size_t>(row_bytes * n)), packed(static_cast<size_t>(bytes));
  std::vector<double> w(static_cast<size_t>(k) * static_cast<size_t>(n));
  for (int64_t i = 0; i < int64_t{k} / unit * n; i++)
    fill(random, t, reinterpret_cast<unsigned char *>(weight.data()) + i * t.bytes, &w[static_cast<size_t>(i * unit)]);
  std::vector<float> x(static_cast<size_t>(k) * static_cast<size_t>(rows));
  for (size_t i = 0; i < x.size(); i++) x[i] = random.unit() * (random.between(0, 30) ? 1 : 20) * (i / 64 % 9 ? 1 : 0);
  const float untouched = 12345.5f;
  std::vector<float> y(static_cast<size_t>(n) * static_cast<size_t>(rows), untouched), part(y);
  for (int i = 0; i < threads; i++)
    if (ba_linear_run(t.id, weight.data(), row_bytes, k, n, x.data(), rows, packed.data(), y.data(), i, threads)) return false;
  ba_linear_run(t.id, weight.data(), row_bytes, k, n, x.data(), rows, packed.data(), part.data(), 0, 1);
  if (memcmp(y.data(), part.data(), y.size() * sizeof(float)) != 0) {
    printf("seed %llu: %s depends on the number of threads\n", static_cast<unsigned long long>(seed), t.name);
    return false;
  }
  if (t.group != 1)
    for (size_t i = 0; i < y.size() * sizeof(float); i++)
      worst->digest = (worst->digest ^ reinterpret_cast<const unsigned char *>(y.data())[i]) * 1099511628211u;
  const double allowed = t.id == F32 ? 0 : t.id == F16 ? 0x1p-11 : t.id == BF16 ? 0x1p-8 : 0.51 / 127;
  std::vector<double> seen(static_cast<size_t>(k));
  double squares = 0, errors = 0, exact_squares = 0, exact_errors = 0;
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < k; i++) {
      const double given = x[static_cast<size_t>(row) * static_cast<size_t>(k) + static_cast<size_t>(i)];
      double most = fabs(given);
      const int group = t.group == 256 ? 256 : 32;
      for (int j = i / group * group; t.group != 1 && j < i / group * group + group; j++)
        most = std::max(most, fabs(static_cast<double>(x[static_cast<size_t>(row) * static_cast<size_t>(k) + static_cast<size_t>(j)])));
      seen[static_cast<size_t>(i)] = packed_at(t, packed.data(), k, rows, lanes, row, i);
      // int8: beside the rounding to 1/127, the scale is a half.
      const double error = fabs(seen[static_cast<size_t>(i)] - given), bound = most * (allowed + (t.group == 1 ? 0 : 0x1p-11));
      worst->packing = std::max(worst->packing, most > 0 ? error / most : error);
      if (!(error <= bound + (t.group == 1 ? 1e-7 : 1e-6))) {
        printf("seed %llu: %s packs %g as %g\n", static_cast<unsigned long long>(seed), t.name, given, seen[static_cast<size_t>(i)]);
        return false;
      }
    }
    for (int o = 0; o < n; o++) {
      double expected = 0, whole = 0;
      for (int i = 0; i < k; i++) {
        const double weight_at = w[static_cast<size_t>(o) * static_cast<size_t>(k) + static_cast<size_t>(i)];
        expected += weight_at * seen[static_cast<size_t>(i)];
        whole += weight_at * x[static_cast<size_t>(row) * static_cast<size_t>(k) + static_cast<size_t>(i)];
      }
      const double got = y[static_cast<size_t>(row) * static_cast<size_t>(n) + static_cast<size_t>(o)];
      squares += expected * expected;
      errors += (got - expected) * (got - expected);
      exact_squares += whole * whole;
      exact_errors += (got - whole) * (got - whole);
    }
  }
  const double product = squares > 0 ? sqrt(errors / squares) : sqrt(errors);
  const double whole = exact_squares > 0 ? sqrt(exact_errors / exact_squares) : sqrt(exact_errors);
  worst->product = std::max(worst->product, product);
  worst->whole = std::max(worst->whole, whole);
  // Where the sums of a row's groups are halves (q8_1), that much is lost of the minimum's share.
  const bool halves = t.id == Q4_1 || t.id == Q5_1;
  if (!(product <= (halves ? 2e-3 : 1e-5)) || !(whole <= 3e-2)) {
    printf("seed %llu: %s [%d, %d] x %d rows: relative error %.2g of the product, %.2g in all\n",
           static_cast<unsigned long long>(seed), t.name, k, n, rows, product, whole);
    return false;
  }
  return true;
}

// One row and several matrices of any types at once, by every thread: the products of ba_linear_run up to the order of sums.
bool check_row(uint64_t seed, int *taken) {
  Random random(seed);
  const bool wide = random.between(0, 1) != 0;
  const int k = wide ? 256 * random.between(1, 7) : 32 * random.between(1, 60);
  const int count = random.between(1, 5), threads = random.between(1, 5);
  std::vector<float> x(static_cast<size_t>(k));
  for (float &one : x) one = random.unit() * (random.between(0, 30) ? 1 : 20);
  std::vector<Bytes> weights;
  std::vector<ba_matrix> matrices;
  std::vector<float> expected;
  for (int i = 0; i < count; i++) {
    const Type &drawn = types[static_cast<size_t>(random.between(2, wide ? TYPES - 1 : 7))];
    const Type &t = drawn.id == BF16 ? types[0] : drawn;
    const int n = 8 * random.between(1, 20);
    if (!ba_linear_takes_row(t.id, k, n)) return true;  // an ISA without it
    const int64_t row_bytes = k / t.group * t.bytes;
    std::vector<double> numbers(static_cast<size_t>(t.group));
    // As much memory as there is, for what reads beyond it.
    weights.emplace_back(static_cast<size_t>(row_bytes * n));
    for (int64_t g = 0; g < row_bytes * n / t.bytes; g++)
      fill(random, t, reinterpret_cast<unsigned char *>(weights.back().data()) + g * t.bytes, numbers.data());
    matrices.push_back({t.id, n, weights.back().data(), row_bytes});
    Bytes packed(static_cast<size_t>(ba_linear_packed_bytes(t.id, k, n, 1)));
    std::vector<float> own(static_cast<size_t>(n));
    ba_linear_run(t.id, weights.back().data(), row_bytes, k, n, x.data(), 1, packed.data(), own.data(), 0, 1);
    expected.insert(expected.end(), own.begin(), own.end());
  }
  std::vector<float> y(expected.size(), 12345.5f);
  for (int i = 0; i < threads; i++)
    if (ba_linear_run_row(matrices.data(), count, k, x.data(), y.data(), i, threads)) return false;
  (*taken)++;
  size_t at = 0;
  for (const ba_matrix &m : matrices) {
    double squares = 0, errors = 0;
    for (int64_t o = 0; o < m.n; o++, at++) {
      squares += static_cast<double>(expected[at]) * expected[at];
      errors += (static_cast<double>(y[at]) - expected[at]) * (static_cast<double>(y[at]) - expected[at]);
    }
    if (!(errors <= 1e-10 * squares)) {
      printf("seed %llu: type %d, [%d, %d] beside %d others, %d threads: relative error %.2g of one row\n",
             static_cast<unsigned long long>(seed), m.type, k, static_cast<int>(m.n), count - 1, threads,
             sqrt(errors / squares));
      return false;
    }
  }
  return true;
}

// f32 matrices of few outputs, against double precision; a row has the same bits whatever the others and the threads.
bool check_low(uint64_t seed) {
  Random random(seed);
  const size_t k = static_cast<size_t>(random.between(1, 200)), rows = static_cast<size_t>(random.between(1, 40));
  const int threads = random.between(1, 5), count = random.between(1, 5);
  std::vector<float> x(k * rows);
  for (float &one : x) one = random.unit();
  std::vector<std::vector<float>> weights;
  std::vector<ba_matrix> matrices;
  size_t outputs = 0;
  for (int i = 0; i < count; i++) {
    const size_t n = static_cast<size_t>(random.between(0, 1) ? 8 * random.between(1, 4) : random.between(1, 50));
    weights.emplace_back(n * k);
    for (float &one : weights.back()) one = random.unit();
    matrices.push_back({F32, static_cast<int64_t>(n), weights.back().data(), static_cast<int64_t>(k * sizeof(float))});
    outputs += n;
  }
  std::vector<float> y(outputs * rows, 12345.5f), alone(outputs);
  for (int i = 0; i < threads; i++)
    ba_linear_run_low(matrices.data(), count, static_cast<int64_t>(k), x.data(), static_cast<int64_t>(rows), y.data(), i, threads);
  const size_t one = static_cast<size_t>(random.between(0, static_cast<int>(rows) - 1));
  ba_linear_run_low(matrices.data(), count, static_cast<int64_t>(k), x.data() + one * k, 1, alone.data(), 0, 1);
  if (memcmp(alone.data(), y.data() + one * outputs, outputs * sizeof(float)) != 0) {
    printf("seed %llu: few outputs: a row depends on the others\n", static_cast<unsigned long long>(seed));
    return false;
  }
  for (size_t row = 0; row < rows; row++) {
    const float *at = y.data() + row * outputs;
    for (const std::vector<float> &w : weights)
      for (size_t o = 0; o < w.size() / k; o++) {
        double expected = 0, size = 0;
        for (size_t i = 0; i < k; i++) {
          const double term = static_cast<double>(w[o * k + i]) * x[row * k + i];
          expected += term;
          size += fabs(term);
        }
        const double error = fabs(*at++ - expected);
        if (!(error <= size * static_cast<double>(k) * 0x1p-24)) {
          printf("seed %llu: [%zu, %zu] x %zu rows: off by %.2g\n", static_cast<unsigned long long>(seed), k, outputs, rows, error);
          return false;
        }
      }
  }
  return true;
}

// What is added of low rank, against double precision; a row has the same bits whatever the others, and the same result by
// its own order up to that of sums.
bool check_low_rank(uint64_t seed) {
  Random random(seed);
  const size_t rank = static_cast<size_t>(random.between(1, 3) == 1 ? random.between(1, 150) : 8 * random.between(1, 4));
  const size_t n = static_cast<size_t>(random.between(1, 300)), rows = static_cast<size_t>(random.between(1, 20));
  const int threads = random.between(1, 5);
  std::vector<float> b(n * rank), low(rows * rank), y(rows * n), to(rows * n, 12345.5f), alone(n), decoded(n);
  for (auto *all : {&b, &low, &y})
    for (float &one : *all) one = random.unit();
  const auto run = [&](size_t row, size_t count, float *out, bool decodes) {
    for (int i = 0; i < threads; i++)
      ba_linear_run_low_rank(static_cast<int64_t>(rank), static_cast<int64_t>(n), static_cast<int64_t>(count), b.data(),
                             low.data() + row * rank, y.data() + row * n, out, decodes, i, threads);
  };
  run(0, rows, to.data(), false);
  const size_t one = static_cast<size_t>(random.between(0, static_cast<int>(rows) - 1));
  run(one, 1, alone.data(), false);
  run(one, 1, decoded.data(), true);
  if (memcmp(alone.data(), to.data() + one * n, n * sizeof(float)) != 0) {
    printf("seed %llu: low rank: a row depends on the others\n", static_cast<unsigned long long>(seed));
    return false;
  }
  for (size_t row = 0; row < rows; row++)
    for (size_t o = 0; o < n; o++) {
      double expected = y[row * n + o], size = fabs(expected);
      for (size_t i = 0; i < rank; i++) {
        const double term = static_cast<double>(b[o * rank + i]) * low[row * rank + i];
        expected += term;
        size += fabs(term);
      }
      const double bound = size * static_cast<double>(rank + 1) * 0x1p-24;
      const double errors[2] = {fabs(to[row * n + o] - expected), row == one ? fabs(decoded[o] - expected) : 0};
      for (double error : errors)
        if (!(error <= bound)) {
          printf("seed %llu: low rank %zu, [%zu] x %zu rows: off by %.2g\n", static_cast<unsigned long long>(seed), rank, n,
                 rows, error);
          return false;
        }
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
  for (int i = 0; i < cases; i++)
    if (!check_low(first + static_cast<uint64_t>(i)) || !check_low_rank(first + static_cast<uint64_t>(i))) return 1;
  int rows = 0;
  for (int i = 0; i < cases; i++)
    if (!check_row(first + static_cast<uint64_t>(i), &rows)) return 1;
  const ba_matrix strange = {99, 8, nullptr, 0};
  if (ba_linear_takes_row(F16, 32, 8) || ba_linear_takes_row(F32, 32, 9) || ba_linear_takes_row(Q4_1, 33, 8) || ba_linear_takes_row(Q4_K, 32, 8) ||
      ba_linear_run_row(&strange, 1, 256, nullptr, nullptr, 0, 1) != 1) {
    printf("one row meets weights that do not fit\n");
    return 1;
  }
  // The builds that have it have it for every type: else nothing was checked.
  const bool by_rows = strstr(ba_linear_isa(), "avx512_") && strcmp(ba_linear_isa(), "avx512_256") != 0;
  if (rows != (by_rows ? cases : 0)) {
    printf("%s: one row was met in %d of %d cases\n", ba_linear_isa(), rows, cases);
    return 1;
  }
  if (ba_linear_packed_bytes(Q4_1, 33, 8, 1) != -1 || ba_linear_packed_bytes(F32, 8, 12, 1) != -1 ||
      ba_linear_packed_bytes(99, 256, 8, 1) != -1 || ba_linear_packed_bytes(F16, 256, 8, 0) != -1) {
    printf("a shape that does not fit is taken\n");
    return 1;
  }
  printf("%s: %d cases, worst relative error %.2e of packing, %.2e of products, %.2e in all; integers %016llx\n", ba_linear_isa(), cases,
         worst.packing, worst.product, worst.whole, static_cast<unsigned long long>(worst.digest));
  return 0;
}
