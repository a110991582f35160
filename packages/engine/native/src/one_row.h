// One row of x times matrices, as a token that is decoded meets them: outputs one after the other, so that weights are read
// from their start to their end, and asked for far ahead. Where the instructions for it are (AVX-512 VNNI); elsewhere a row
// is a tile of one, as outputs_int8.h computes it.
//
// Sums of integers are exact and scales are multiplied as there, but floats are added in another order.
#pragma once
#include "row_weights.h"
#include "thread-scratch.h"

namespace BA_NS {
namespace {

#if defined(__AVX512VNNI__)

enum {
  // Bytes asked for ahead of those that are read. At 2 KiB one thread read 33 to 36 GB/s, at 8 KiB 41 to 46.
  ROW_AHEAD = 8192,
};

// What 128 weights meet of a row: PartWeights' order. Zeros where the row ends before.
struct RowPart {
  int8_t x[2][64];
  float scale[16];
  float sum[16];         // in the first of a group's four lanes, 0 in the others: what minima meet
  int32_t start[2][16];  // of both halves: what takes off by how much the weights were lifted
};

BA_INLINE bool takes_row(int32_t type, int64_t k) {
  return type == ba::W_F32 || (format(type).integer && k % 32 == 0);
}

BA_INLINE int64_t row_parts(int64_t k) { return (k + PART - 1) / PART; }

// Rows that meet several weights are arranged alike for those that are packed and lifted alike.
BA_INLINE bool same_row(int32_t a, int32_t b) { return form(a) == form(b) && lifted_by(a) == lifted_by(b); }

// `packed`: int8_row_bytes of memory.
static void arrange_row(int32_t type, int64_t k, const float *x, char *packed, RowPart *to) {
  pack_int8_rows(type, k, 1, [&](int64_t) { return x; }, packed, 0, 1);
  memset(to, 0, (size_t)row_parts(k) * sizeof(RowPart));
  for (int64_t g = 0; g < k / 32; g++) {
    const char *from = packed + g * ROW_GROUP;
    RowPart &part = to[g / 4];
    const int lane = (int)(g % 4) * 4;
    memcpy(part.x[0] + lane * 4, from, 16);
    memcpy(part.x[1] + lane * 4, from + 16, 16);
    float scale;
    memcpy(&scale, from + ROW_SCALE, 4);
    _mm_store_ps(part.scale + lane, _mm_set1_ps(scale));
    // Of types whose weights are lifted this is no float; nothing reads it then.
    memcpy(&part.sum[lane], from + ROW_SUM, 4);
  }
  const int32_t lifted = lifted_by(type);
  for (int64_t i = 0; lifted != 0 && i < row_parts(k); i++)
    for (int half = 0; half < 2; half++) {
      const __m512i ones = _mm512_set1_epi8(1), x = _mm512_load_si512(to[i].x[half]);
      const __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, x);
      _mm512_store_si512(to[i].start[half], _mm512_mullo_epi32(sums, _mm512_set1_epi32(-lifted)));
    }
}

template <int32_t TYPE>
BA_INLINE void add_part(const PartWeights &weights, const RowPart &row, __m512 *sum, __m512 *minima) {
  constexpr bool lifted = lifted_by(TYPE) != 0;
  const __m512i x0 = _mm512_load_si512(row.x[0]), x1 = _mm512_load_si512(row.x[1]);
  const __m512 scale = _mm512_load_ps(row.scale);
  __m512i first = lifted ? _mm512_load_si512(row.start[0]) : _mm512_setzero_si512();
  first = _mm512_dpbusd_epi32(first, weights.w[0], x0);
  __m512i second = lifted ? _mm512_load_si512(row.start[1]) : _mm512_setzero_si512();
  second = _mm512_dpbusd_epi32(second, weights.w[1], x1);
  if (has_halves(TYPE)) {
    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(first), _mm512_mul_ps(weights.scale[0], scale), *sum);
    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(second), _mm512_mul_ps(weights.scale[1], scale), *sum);
  } else {
    const __m512i both = _mm512_add_epi32(first, second);
    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(both), _mm512_mul_ps(weights.scale[0], scale), *sum);
  }
  if (has_minimum(TYPE)) *minima = _mm512_fmadd_ps(weights.minimum, _mm512_load_ps(row.sum), *minima);
}

template <int32_t TYPE>
BA_INLINE float row_product(const char *weight, int64_t k, const RowPart *row) {
  constexpr Format f = format(TYPE);
  __m512 sum = _mm512_setzero_ps(), minima = sum;
  if constexpr (f.group == SUPER) {
    for (int64_t i = 0; i < k; i += SUPER, weight += f.bytes, row += 2) {
      PartWeights parts[2];
      unpack_block_256<TYPE>(weight, parts);
      add_part<TYPE>(parts[0], row[0], &sum, &minima);
      add_part<TYPE>(parts[1], row[1], &sum, &minima);
    }
  } else {
    PartWeights part;
    int64_t left = k / 32;
    for (; left >= 4; left -= 4, weight += 4 * f.bytes, row++) {
      unpack_part_32<TYPE>(weight, 4, &part);
      add_part<TYPE>(part, *row, &sum, &minima);
    }
    if (left > 0) {
      unpack_part_32<TYPE>(weight, (int)left, &part);
      add_part<TYPE>(part, *row, &sum, &minima);
    }
  }
  return _mm512_reduce_add_ps(has_minimum(TYPE) ? _mm512_add_ps(sum, minima) : sum);
}

static float row_product_floats(const float *weight, int64_t k, const float *x) {
  enum { AT_ONCE = 4 };
  vf sum[AT_ONCE] = {};
  int64_t i = 0;
  for (; i + AT_ONCE * L <= k; i += AT_ONCE * L) BA_UNROLL for (int v = 0; v < AT_ONCE; v++) sum[v] +=
      load(weight + i + v * L) * load(x + i + v * L);
  for (; i < k; i += L) {
    const __mmask16 mask = (__mmask16)(k - i >= L ? 0xffff : (1 << (k - i)) - 1);
    sum[0] += (vf)_mm512_maskz_loadu_ps(mask, weight + i) * (vf)_mm512_maskz_loadu_ps(mask, x + i);
  }
  return sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

// Asks for as many bytes as are read at `at`, far ahead of them: from `next` on where they lie behind `end`.
BA_INLINE void ask_ahead(const char *at, int64_t bytes, const char *end, const char *next) {
  const char *ahead = at + ROW_AHEAD;
  if (ahead >= end) ahead = next + (ahead - end);
  prefetch(ahead, bytes);
}

// `product` of a row of weights is its output. `next`: what is read behind these outputs.
template <class F>
BA_INLINE void each_output(const ba::RowMatrix &m, int64_t from, int64_t to, const char *next, F product) {
  const char *const end = m.weight + to * m.weight_row;
  for (int64_t o = from; o < to; o++) {
    const char *weight = m.weight + o * m.weight_row;
    ask_ahead(weight, m.weight_row, end, next);
    m.y[o] = product(weight);
  }
}

// `row`: x as the type wants it; floats want x itself.
static void multiply_row_matrix(const ba::RowMatrix &m, int64_t k, const float *x, const RowPart *row, int64_t from,
                                int64_t to, const char *next) {
  const auto each = [&](auto product) { each_output(m, from, to, next, product); };
#define BA_TYPE(type) case ba::type: return each([&](const char *weight) { return row_product<ba::type>(weight, k, row); })
  switch (m.type) {
    case ba::W_F32: return each([&](const char *weight) { return row_product_floats((const float *)weight, k, x); });
    BA_TYPE(W_Q4_0);
    BA_TYPE(W_Q4_1);
    BA_TYPE(W_Q5_0);
    BA_TYPE(W_Q5_1);
    BA_TYPE(W_Q8_0);
    BA_TYPE(W_Q4_K);
    BA_TYPE(W_Q5_K);
    BA_TYPE(W_Q6_K);
    BA_TYPE(W_MXFP4);
    default: return;
  }
#undef BA_TYPE
}

// How many outputs, of all matrices one behind the other, come before a byte of their weights: whole eights of a matrix.
static int64_t outputs_before(const ba::RowMatrix *matrices, int32_t count, int64_t bytes) {
  int64_t before = 0;
  for (int32_t i = 0; i < count; i++) {
    const ba::RowMatrix &m = matrices[i];
    if (bytes < m.n * m.weight_row) return before + bytes / m.weight_row / 8 * 8;
    bytes -= m.n * m.weight_row;
    before += m.n;
  }
  return before;
}

// Thread ith's share of all outputs, by the bytes of their weights. Each thread arranges the row for itself, which
// takes less time than waiting for another one to have done so.
static void multiply_row(const ba::RowMatrix *matrices, int32_t count, int64_t k, const float *x, int32_t ith,
                         int32_t nth) {
  int64_t bytes = 0;
  for (int32_t i = 0; i < count; i++) bytes += matrices[i].n * matrices[i].weight_row;
  const int64_t from = outputs_before(matrices, count, share(bytes, ith, nth));
  const int64_t to = outputs_before(matrices, count, share(bytes, ith + 1, nth));
  const int64_t parts = row_parts(k) * (int64_t)sizeof(RowPart);
  char *memory = (char *)thread_floats((parts + int8_row_bytes(k) + 3) / 4);
  int32_t arranged = -1;
  bool begun = false;
  int64_t before = 0;
  for (int32_t i = 0; i < count; i++) {
    const ba::RowMatrix &m = matrices[i];
    const int64_t first = larger<int64_t>(from - before, 0), last = smaller(to - before, m.n);
    before += m.n;
    if (first >= last) continue;
    if (!memory) {
      poison(m.y + first, last - first);
      continue;
    }
    // Nothing was read before: as much as is asked for ahead from there on, while the row is arranged.
    const int64_t all = (last - first) * m.weight_row;
    if (!begun) prefetch(m.weight + first * m.weight_row, smaller(all, (int64_t)ROW_AHEAD));
    begun = true;
    if (m.type != ba::W_F32) {
      if (arranged < 0 || !same_row(arranged, m.type)) arrange_row(m.type, k, x, memory + parts, (RowPart *)memory);
      arranged = m.type;
    }
    // A share goes on in the next matrix from its beginning.
    const bool goes_on = last == m.n && to > before && i + 1 < count;
    const char *end = m.weight + last * m.weight_row;
    multiply_row_matrix(m, k, x, (const RowPart *)memory, first, last, goes_on ? matrices[i + 1].weight : end);
  }
}

#else

BA_INLINE bool takes_row(int32_t, int64_t) { return false; }
static void multiply_row(const ba::RowMatrix *, int32_t, int64_t, const float *, int32_t, int32_t) {}

#endif

}  // namespace
}  // namespace BA_NS
