// Products of bf16 weights by AVX-512 BF16: outputs are the lanes of a vector, as in outputs_int8.h, and each lane adds two
// products of an instruction. Rows are rounded to bf16, as they are for f32 products; products and sums are in f32, where
// numbers below 2^-126 count as zero. For rows of whole cache lines; others meet bf16 weights in f32 (linear_float.h).
#pragma once
#include "outputs_unpack.h"

namespace BA_NS {
namespace {

enum { PAIR_GROUP = 32, PAIR_ROWS = 12, PAIR_VECTORS = 2, PAIR_K = 512 };

BA_INLINE bool is_paired(int32_t type, int64_t k) {
#if defined(__AVX512BF16__)
  return type == ba::W_BF16 && k % PAIR_GROUP == 0;
#else
  (void)type, (void)k;
  return false;
#endif
}

BA_INLINE int64_t pair_row_bytes(int64_t k) { return k * 2; }

#if defined(__AVX512BF16__)

// The row in bf16; NaN stays NaN.
template <class F>
static void pack_pair_rows(int64_t k, int64_t rows, F source, char *packed, int32_t ith, int32_t nth) {
  const int64_t groups = k / PAIR_GROUP;
  for (int64_t i = share(rows * groups, ith, nth), to = share(rows * groups, ith + 1, nth); i < to; i++) {
    const float *x = source(i / groups) + i % groups * PAIR_GROUP;
    const __m512bh pair = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
    memcpy(packed + i * PAIR_GROUP * 2, &pair, sizeof pair);
  }
}

struct PairTile {
  vq_any w[PAIR_VECTORS][PAIR_K / 2];  // two elements of each lane
};

static void unpack_pairs(const Outputs &of, int64_t first, int32_t outs, int64_t k, int32_t n, PairTile *tile) {
  for (int32_t v = 0; v * LANES8 < outs; v++) {
    const char *row[LANES8];
    for (int32_t r = 0; r < LANES8; r++)
      row[r] = of.weight + (first + smaller(v * LANES8 + r, outs - 1)) * of.weight_row + k * 2;
    for (int32_t i = 0; i < n; i += 8) {
      vq x[4];
      if (i % 32 == 0) BA_UNROLL for (int r = 0; r < LANES8; r++) __builtin_prefetch(row[r] + i * 2 + LANES8 * of.weight_row);
      load_quads(row, (int64_t)i * 2, x);
      BA_UNROLL for (int j = 0; j < 4; j++) tile->w[v][i / 2 + j] = x[j];
    }
  }
}

// c[MR][PAIR_VECTORS][L] (+)= `pairs` pairs of MR rows with the tile.
template <int MR>
static void multiply_pairs(const PairTile &tile, const char *const *x, int32_t pairs, float *c, bool add) {
  __m512 sum[MR][PAIR_VECTORS];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < PAIR_VECTORS; v++) sum[r][v] =
      add ? _mm512_loadu_ps(c + (r * PAIR_VECTORS + v) * 16) : _mm512_setzero_ps();
  for (int32_t i = 0; i < pairs; i++) {
    BA_UNROLL for (int r = 0; r < MR; r++) {
      int32_t two;
      memcpy(&two, x[r] + i * 4, 4);
      const __m512bh y = (__m512bh)_mm512_set1_epi32(two);
      BA_UNROLL for (int v = 0; v < PAIR_VECTORS; v++) sum[r][v] =
          _mm512_dpbf16_ps(sum[r][v], (__m512bh)tile.w[v][i], y);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < PAIR_VECTORS; v++)
      _mm512_storeu_ps(c + (r * PAIR_VECTORS + v) * 16, sum[r][v]);
}

template <int MR, class E>
static void multiply_pair_entries(const Outputs &of, E entries, const char *const *x, const PairTile &tile,
                                  int64_t first, int32_t outs, int32_t pairs, bool add) {
  alignas(64) float c[MR * PAIR_VECTORS * 16];
  if (add) take_results(of, entries, MR, first, outs, PAIR_VECTORS * 16, c);
  multiply_pairs<MR>(tile, x, pairs, c, add);
  put_results(of, entries, MR, first, outs, PAIR_VECTORS * 16, c);
}

// The outputs of a matrix for some entries. `row_of` an entry: which packed row it reads.
template <class E, class F>
static void multiply_paired(const Outputs &of, E entries, int64_t count, F row_of) {
  alignas(64) PairTile tile;
  const int64_t parts = (of.k + PAIR_K - 1) / PAIR_K, part = (of.k / parts + PAIR_GROUP - 1) / PAIR_GROUP * PAIR_GROUP;
  for (int64_t first = of.from; first < of.to; first += PAIR_VECTORS * LANES8) {
    const int32_t outs = (int32_t)smaller((int64_t)PAIR_VECTORS * LANES8, of.to - first);
    if (outs <= LANES8) memset(tile.w[1], 0, sizeof tile.w[1]);
    for (int64_t k = 0; k < of.k; k += part) {
      const int32_t n = (int32_t)smaller(part, of.k - k);
      unpack_pairs(of, first, outs, k, n, &tile);
      int32_t rows;
      for (int64_t at = 0; at < count; at += rows) {
        const int64_t left = count - at;
        rows = left >= PAIR_ROWS ? (int32_t)PAIR_ROWS : left >= 6 ? 6 : left >= 2 ? 2 : 1;
        const char *x[PAIR_ROWS];
        for (int32_t r = 0; r < rows; r++) x[r] = of.rows + (int64_t)row_of(entries[at + r]) * pair_row_bytes(of.k) + k * 2;
        switch (rows) {
          case PAIR_ROWS: multiply_pair_entries<PAIR_ROWS>(of, entries + at, x, tile, first, outs, n / 2, k > 0); break;
          case 6: multiply_pair_entries<6>(of, entries + at, x, tile, first, outs, n / 2, k > 0); break;
          case 2: multiply_pair_entries<2>(of, entries + at, x, tile, first, outs, n / 2, k > 0); break;
          default: multiply_pair_entries<1>(of, entries + at, x, tile, first, outs, n / 2, k > 0);
        }
      }
    }
  }
}

#endif

}  // namespace
}  // namespace BA_NS
