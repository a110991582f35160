// Experts in f32: weights f32, f16 and bf16, transposed to panels [k][lanes]; rows as they are, rounded to the weights' type.
#pragma once
#include "linear_float.h"
#include "outputs.h"
#include "transpose-four.h"

namespace BA_NS {
namespace {

enum { FLOAT_VECTORS = REGISTERS == 32 ? 2 : 1, FLOAT_LANES = FLOAT_VECTORS * L };

static int64_t float_row_bytes(int64_t k) { return k * (int64_t)sizeof(float); }

template <class F>
static void pack_float_rows(int32_t type, int64_t k, int64_t rows, F source, char *packed, int32_t ith, int32_t nth) {
  const int64_t to = share(rows * k, ith + 1, nth);
  for (int64_t at = share(rows * k, ith, nth); at < to;) {
    const int64_t row = at / k, first = at % k, count = smaller(k - first, to - at);
    const float *x = source(row) + first;
    float *y = (float *)packed + at;
    for (int64_t i = 0; i < count; i++) y[i] = rounded(type, x[i]);
    at += count;
  }
}

template <int ROWS>
static void multiply_float_rows(const float *w, const float *x, int32_t n, float *c, bool add) {
  vf one[FLOAT_VECTORS];
  for (int v = 0; v < FLOAT_VECTORS; v++) one[v] = splat(1.0f);
  if (add)
    multiply<ROWS, FLOAT_VECTORS, true>(x, FLOAT_K, w, n, c, one);
  else
    multiply<ROWS, FLOAT_VECTORS, false>(x, FLOAT_K, w, n, c, one);
}

// The outputs of one expert for its entries. `row_of` an entry: which packed row it reads.
template <class F>
static void multiply_float_outputs(const Outputs &of, const int32_t *entries, int32_t count, F row_of) {
  alignas(64) float rows[4][FLOAT_K], w[FLOAT_K * FLOAT_LANES], x[4][FLOAT_K], c[4 * FLOAT_LANES];
  for (int64_t first = of.from; first < of.to; first += FLOAT_LANES) {
    const int32_t outs = (int32_t)smaller((int64_t)FLOAT_LANES, of.to - first);
    for (int64_t k = 0; k < of.k; k += FLOAT_K) {
      const int32_t n = (int32_t)smaller((int64_t)FLOAT_K, of.k - k);
      if (outs < FLOAT_LANES) memset(w, 0, sizeof w);
      for (int32_t o = 0; o < outs; o += 4) {
        const float *four_rows[4];
        for (int r = 0; r < 4; r++) {
          unpack_floats(of.type, of.weight + (first + o + r) * of.weight_row, (int32_t)k, n, rows[r]);
          four_rows[r] = rows[r];
        }
        transpose_four<FLOAT_LANES>(four_rows, n, w + o);
      }
      for (int32_t at = 0, taken; at < count; at += taken) {
        taken = smaller((int32_t)4, count - at);
        for (int r = 0; r < taken; r++)
          memcpy(x[r], (const float *)of.rows + row_of(entries[at + r]) * of.k + k, (size_t)n * sizeof(float));
        if (k > 0) take_results(of, entries + at, taken, first, outs, FLOAT_LANES, c);
        switch (taken) {
          case 1: multiply_float_rows<1>(w, x[0], n, c, k > 0); break;
          case 2: multiply_float_rows<2>(w, x[0], n, c, k > 0); break;
          case 3: multiply_float_rows<3>(w, x[0], n, c, k > 0); break;
          default: multiply_float_rows<4>(w, x[0], n, c, k > 0);
        }
        put_results(of, entries + at, taken, first, outs, FLOAT_LANES, c);
      }
    }
  }
}

}  // namespace
}  // namespace BA_NS
