// Linear layers against double precision: random weights of every type, shapes, numbers of rows and of threads.
//
// What was packed is read back, so two things are told apart: packing errs by what rounding to its precision explains,
// and the product of the weights with the packed rows is exact but for the rounding of f32 sums.
#include <stdio.h>

#include <algorithm>

#include "../src/block_linear.h"
#include "stored.h"

extern "C" const char *ba_isa(void);

namespace {

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30 };
struct Type {
  int id, group, bytes;
  const char *name;
};
const Type types[] = {{F32, 1, 4, "f32"},      {F16, 1, 2, "f16"},      {BF16, 1, 2, "bf16"},   {Q4_0, 32, 18, "q4_0"},
                      {Q4_1, 32, 20, "q4_1"},  {Q5_0, 32, 22, "q5_0"},  {Q5_1, 32, 24, "q5_1"}, {Q8_0, 32, 34, "q8_0"},
                      {Q4_K, 256, 144, "q4_K"}, {Q5_K, 256, 176, "q5_K"}, {Q6_K, 256, 210, "q6_K"}};

void put_half(unsigned char *p, float x) {
  const uint16_t h = to_half(x);
  memcpy(p, &h, 2);
}

// A group's bytes at random and the numbers they stand for, each format spelled out element by element.
void fill(Random &random, const Type &t, unsigned char *p, double *w) {
  for (int i = 0; i < t.bytes; i++) p[i] = static_cast<unsigned char>(random.next());
  const float d = random.unit() * 0.05f, m = random.unit() * 0.3f;
  const auto at = [p](int i) { return static_cast<int>(p[i]); };
  const auto nibble = [&](int from, int i) { return i < 16 ? at(from + i) & 15 : at(from + i - 16) >> 4; };
  const auto bit = [&](int from, int i) { return at(from + i / 8) >> (i % 8) & 1; };
  if (t.group == 1) {
    const float x = random.unit();
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint16_t high = static_cast<uint16_t>(bits >> 16);
    if (t.id == F32) {
      memcpy(p, &x, 4);
      *w = x;
    } else if (t.id == F16) {
      put_half(p, x);
      *w = from_half(to_half(x));
    } else {
      memcpy(p, &high, 2);
      bits &= 0xffff0000;
      float y;
      memcpy(&y, &bits, 4);
      *w = y;
    }
    return;
  }
  const double dd = from_half(to_half(d)), mm = from_half(to_half(m));
  if (t.group == 32) {
    put_half(p, d);
    if (t.id == Q4_1 || t.id == Q5_1) put_half(p + 2, m);
    for (int i = 0; i < 32; i++) {
      switch (t.id) {
        case Q4_0: w[i] = dd * (nibble(2, i) - 8); break;
        case Q4_1: w[i] = dd * nibble(4, i) + mm; break;
        case Q5_0: w[i] = dd * (nibble(6, i) + 16 * bit(2, i) - 16); break;
        case Q5_1: w[i] = dd * (nibble(8, i) + 16 * bit(4, i)) + mm; break;
        default: w[i] = dd * std::max(-127, static_cast<int>(static_cast<int8_t>(p[2 + i])));  // -128 is read as -127
      }
    }
    return;
  }
  if (t.id == Q6_K) {
    put_half(p + 208, d);
    for (int i = 0; i < 256; i++) {
      const int half = i / 128, j = i % 128, l = j % 32, quarter = j / 32;
      const int low = at(half * 64 + l + 32 * (quarter % 2)), high = at(128 + half * 32 + l);
      const int q = ((quarter < 2 ? low & 15 : low >> 4) | (high >> (2 * quarter) & 3) << 4) - 32;
      w[i] = dd * static_cast<int8_t>(p[192 + i / 16]) * q;
    }
    return;
  }
  put_half(p, d);
  put_half(p + 2, m);
  for (int i = 0; i < 256; i++) {
    const int g = i / 32, l = i % 32, from = t.id == Q5_K ? 48 : 16;
    const int byte = at(from + g / 2 * 32 + l);
    int q = g % 2 ? byte >> 4 : byte & 15;
    if (t.id == Q5_K) q += (at(16 + l) >> g & 1) * 16;
    const int s = g < 4 ? at(4 + g) & 63 : (at(8 + g) & 15) | (at(g) >> 6) << 4;
    const int minimum = g < 4 ? at(8 + g) & 63 : at(8 + g) >> 4 | (at(4 + g) >> 6) << 4;
    w[i] = dd * s * q - mm * minimum;
  }
}

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

double packed_at(const Type &t, const char *packed, int k, int rows, int lanes, int row, int i) {
  if (t.group == 1) {
    int first, width;
    find_panel(row, rows, lanes, &first, &width);
    float x;
    memcpy(&x, packed + (static_cast<int64_t>(first) * k + static_cast<int64_t>(i) * width + row - first) * 4, 4);
    return x;
  }
  // Eight rows a panel with two slots behind their bytes, with VNNI three; sixteen where that is of 512 bits.
  const bool vnni = strstr(ba_linear_isa(), "_vnni") != nullptr;
  const int wide = strcmp(ba_linear_isa(), "avx512_vnni") == 0 ? 16 : 8, bytes = 32 * wide + (vnni ? 3 : 2) * 4 * wide;
  const char *group = packed + (static_cast<int64_t>(row / wide) * (k / 32) + i / 32) * bytes;
  float scale;
  memcpy(&scale, group + 32 * wide + row % wide * 4, 4);
  return static_cast<double>(scale) * static_cast<int8_t>(group[i % 32 / 4 * 4 * wide + row % wide * 4 + i % 4]);
}

struct Worst {
  double packing = 0, product = 0, whole = 0;
  uint64_t digest = 14695981039346656037u;  // FNV-1a of all results of integer products
};

bool check(uint64_t seed, Worst *worst) {
  Random random(seed);
  const size_t which = static_cast<size_t>(random.between(0, 10));
  const Type &t = types[which];
  const int unit = t.group == 1 ? 1 : t.group;
  const int k = t.group == 1 ? random.between(1, 900) : unit * random.between(1, t.group == 32 ? 60 : 7);
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

}  // namespace

int main(int argc, char **argv) {
  const int cases = argc > 1 ? atoi(argv[1]) : 300;
  const uint64_t first = argc > 2 ? strtoull(argv[2], nullptr, 10) : 1;
  Worst worst;
  for (int i = 0; i < cases; i++)
    if (!check(first + static_cast<uint64_t>(i), &worst)) return 1;
  if (ba_linear_packed_bytes(Q4_1, 33, 8, 1) != -1 || ba_linear_packed_bytes(F32, 8, 12, 1) != -1 ||
      ba_linear_packed_bytes(99, 256, 8, 1) != -1 || ba_linear_packed_bytes(F16, 256, 8, 0) != -1) {
    printf("a shape that does not fit is taken\n");
    return 1;
  }
  printf("%s: %d cases, worst relative error %.2e of packing, %.2e of products, %.2e in all; integers %016llx\n", ba_linear_isa(), cases,
         worst.packing, worst.product, worst.whole, static_cast<unsigned long long>(worst.digest));
  return 0;
}
