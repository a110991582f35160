// Products of frozen weights by AVX-512 BF16: both operands are rounded to bf16 as they are packed, two neighbours along
// the depth to a lane, and the sums are f32. Twice the products of f32 per instruction, half the bytes of a panel.
#pragma once
#include <immintrin.h>

#include "training-operands.h"

namespace BA_NS {
namespace {

enum { PAIRS = KC, DEPTH = 2 * PAIRS };  // of a panel

// to[i] = numbers 2 i and 2 i + 1 of `count`, the first in the low half; a missing one is 0. Rounds to nearest even.
static void to_pairs(const float *from, int count, uint32_t *to) {
  int i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i));
    _mm512_storeu_si512(to + i / 2, (__m512i)both);
  }
  if (i == count) return;
  float rest[32] = {};
  memcpy(rest, from + i, sizeof(float) * (size_t)(count - i));
  uint32_t last[16];
  const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(rest + 16), _mm512_loadu_ps(rest));
  _mm512_storeu_si512(last, (__m512i)both);
  memcpy(to + i / 2, last, sizeof(uint32_t) * (size_t)((count - i + 1) / 2));
}

// As pack() of gemm.h where rows run along the depth: to[x / W][p / 2][W].
template <int W>
static void pack_pairs(const Matrix &m, int64_t x0, int nx, int64_t p0, int np, uint32_t *to, float *buffer) {
  const int pairs = (np + 1) / 2;
  uint32_t *rows = (uint32_t *)(buffer + DEPTH);
  for (int x = 0; x < nx; x += W) {
    uint32_t *panel = to + (int64_t)x * pairs;
    const int w = smaller((int)W, nx - x);
    const float *four_rows[4];
    int r = 0;
    for (; r < w; r++) {
      uint32_t *row = rows + r % 4 * PAIRS;
      to_pairs(read_row(m, x0 + x + r, p0, np, buffer), np, row);
      four_rows[r % 4] = (const float *)row;
      if (r % 4 == 3) transpose_four<W>(four_rows, pairs, (float *)panel + r - 3);
    }
    for (int at = r / 4 * 4; at < r; at++)
      for (int p = 0; p < pairs; p++) panel[p * W + at] = rows[at % 4 * PAIRS + p];
    for (; r < W; r++)
      for (int p = 0; p < pairs; p++) panel[p * W + r] = 0;
  }
}

// The same where there is a row for every place along the depth.
template <int W>
static void pack_pairs_of_rows(const Matrix &m, int64_t x0, int nx, int64_t p0, int np, uint32_t *to, float *buffer) {
  const int pairs = (np + 1) / 2;
  float *second_buffer = buffer + DEPTH;
  for (int p = 0; p < np; p += 2) {
    const float *first = read_row(m, p0 + p, x0, nx, buffer);
    const float *second = p + 1 < np ? read_row(m, p0 + p + 1, x0, nx, second_buffer) : nullptr;
    for (int x = 0; x < nx; x += 16) {
      const __mmask16 in = (__mmask16)(nx - x >= 16 ? 0xffff : (1 << (nx - x)) - 1);
      const __m512 a = _mm512_maskz_loadu_ps(in, first + x);
      const __m512 b = second ? _mm512_maskz_loadu_ps(in, second + x) : _mm512_setzero_ps();
      const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
      const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
      _mm512_storeu_si512(to + (int64_t)(x / W * W) * pairs + p / 2 * W + x % W,
                          _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
    for (int x = round_up(nx, 16); x < round_up(nx, W); x++) to[(int64_t)(x / W * W) * pairs + p / 2 * W + x % W] = 0;
  }
}

// c[i + j * ldc] = or += sum over pairs of a[p][i] b[p][j], for i < m, j < n.
static void multiply_pairs(int pairs, const uint32_t *a, const uint32_t *b, float *c, int64_t ldc, int m, int n,
                           bool add) {
  vf sum[NR][2] = {};
  for (int p = 0; p < pairs; p++, a += MR, b += NR) {
    const __m512bh a0 = (__m512bh)_mm512_loadu_si512(a), a1 = (__m512bh)_mm512_loadu_si512(a + L);
    BA_UNROLL for (int j = 0; j < NR; j++) {
      const __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)b[j]);
      sum[j][0] = (vf)_mm512_dpbf16_ps((__m512)sum[j][0], a0, x);
      sum[j][1] = (vf)_mm512_dpbf16_ps((__m512)sum[j][1], a1, x);
    }
  }
  store_tile(sum, c, ldc, m, n, add);
}

static void product_of_pairs(ggml_tensor *dst, int ith, int nth, const ba_training_matrix &op) {
  const Operands o = operands(dst, ith, nth, op);
  if (o.i0 >= o.i1 || o.j0 >= o.j1) return;
  float *scratch = thread_floats((int64_t)(MC + MR) * PAIRS + (int64_t)(NC + NR) * PAIRS + DEPTH + 4 * PAIRS);
  if (!scratch) return o.poison_all();
  uint32_t *packed_a = (uint32_t *)scratch, *packed_b = packed_a + (int64_t)(MC + MR) * PAIRS;
  float *buffer = (float *)(packed_b + (int64_t)(NC + NR) * PAIRS);
  for (int64_t j = o.j0; j < o.j1; j += NC) {
    const int nj = (int)smaller<int64_t>(NC, o.j1 - j);
    for (int64_t p = 0; p < o.depth; p += DEPTH) {
      const int np = (int)smaller<int64_t>(DEPTH, o.depth - p), pairs = (np + 1) / 2;
      pack_pairs<NR>(o.b.matrix, j, nj, p, np, packed_b, buffer);
      for (int64_t i = o.i0; i < o.i1; i += MC) {
        const int ni = (int)smaller<int64_t>(MC, o.i1 - i);
        if (o.a.across) pack_pairs<MR>(o.a.matrix, i, ni, p, np, packed_a, buffer);
        else pack_pairs_of_rows<MR>(o.a.matrix, i, ni, p, np, packed_a, buffer);
        for (int column = 0; column < nj; column += NR)
          for (int row = 0; row < ni; row += MR)
            multiply_pairs(pairs, packed_a + (int64_t)row * pairs, packed_b + (int64_t)column * pairs,
                           o.c + i + row + (j + column) * o.ldc, o.ldc, ni - row, nj - column, p > 0);
      }
    }
  }
}

}  // namespace
}  // namespace BA_NS
