// Linear layers in f32: weights f32, f16 and bf16.
//
// Rows of x are the lanes of a vector, in panels [k][lanes] as in attention (wide.h); weights are converted along their
// stored rows and broadcast, so no weight is ever transposed.
#pragma once
#include "micro.h"
#include "round.h"
#include "scatter.h"
#include "weights.h"

namespace BA_NS {
namespace {

enum { FLOAT_K = 256, FLOAT_OUTS = 24, FLOAT_ROWS = 480 };

static int64_t float_packed_bytes(int64_t k, int64_t rows) { return (rows + L - 1) / L * L * k * (int64_t)sizeof(float); }

BA_INLINE float rounded(int32_t type, float x) {
  return type == ba::W_F16 ? round_to_half(x) : type == ba::W_BF16 ? round_to_bfloat(x) : x;
}

static void pack_float(const ba::Product &p, int32_t ith, int32_t nth) {
  // Panels are numbered by their first row, so threads that split elements of k write apart.
  const int32_t from = (int32_t)share(p.k, ith, nth), to = (int32_t)share(p.k, ith + 1, nth);
  for_panels((int32_t)p.rows, [&](int32_t row, int32_t lanes) {
    float *panel = (float *)p.packed + (int64_t)row * p.k;
    for (int32_t lane = 0; lane < lanes; lane++) {
      const float *x = row + lane < p.rows ? p.x + (row + lane) * p.x_row : nullptr;
      for (int32_t i = from; i < to; i++) panel[(int64_t)i * lanes + lane] = x ? rounded(p.type, x[i]) : 0;
    }
  });
}

template <int NV>
static void multiply_panel(const float *w, int32_t outs, const float *x, int32_t k, float *c, bool add) {
  // Outputs come in eights. A panel of rows is as large as the L1 cache: the more outputs, the less often it is read.
  enum { MR = REGISTERS == 32 ? 8 : 4 };
  vf one[NV];
  for (int v = 0; v < NV; v++) one[v] = splat(1.0f);
  for (int32_t o = 0; o < outs; o += MR) {
    float *to = c + (int64_t)o * NV * L;
    if (add)
      multiply<MR, NV, true>(w + (int64_t)o * FLOAT_K, FLOAT_K, x, k, to, one);
    else
      multiply<MR, NV, false>(w + (int64_t)o * FLOAT_K, FLOAT_K, x, k, to, one);
  }
}

// Outputs [first, first + outs) of the rows from `row` on, `rows` of them.
static void multiply_float_tile(const ba::Product &p, int64_t first, int32_t outs, int32_t row, int32_t rows) {
  alignas(64) float w[FLOAT_OUTS * FLOAT_K];
  alignas(64) float c[FLOAT_OUTS * (FLOAT_ROWS + PANEL * L)];
  for (int32_t k = 0; k < p.k; k += FLOAT_K) {
    const int32_t n = (int32_t)smaller((int64_t)FLOAT_K, p.k - k);
    for (int32_t o = 0; o < outs; o++)
      unpack_floats(p.type, p.weight + (first + o) * p.weight_row, k, n, w + (int64_t)o * FLOAT_K);
    for_panels(rows, [&](int32_t at, int32_t lanes) {
      const float *x = (const float *)p.packed + (row + at) * p.k + (int64_t)k * lanes;
      float *to = c + (int64_t)at * outs;
      if (lanes == L)
        multiply_panel<1>(w, outs, x, n, to, k > 0);
      else if (lanes == 2 * L)
        multiply_panel<2>(w, outs, x, n, to, k > 0);
      else
        multiply_panel<PANEL>(w, outs, x, n, to, k > 0);
    });
  }
  for_panels(rows, [&](int32_t at, int32_t lanes) {
    scatter(c + (int64_t)at * outs, lanes, outs, smaller(lanes, rows - at), p.y + (row + at) * p.y_row + first, p.y_row);
  });
}

static void multiply_float(const ba::Product &p, int32_t ith, int32_t nth) {
  const int64_t to = share(p.n / 8, ith + 1, nth) * 8;
  for (int64_t first = share(p.n / 8, ith, nth) * 8; first < to; first += FLOAT_OUTS) {
    const int32_t outs = (int32_t)smaller((int64_t)FLOAT_OUTS, to - first);
    // Whole chunks are multiples of every panel's width, so that their panels are those of the packed rows.
    for (int32_t row = 0; row < p.rows;) {
      const int32_t left = (int32_t)p.rows - row;
      const int32_t rows = left <= FLOAT_ROWS + PANEL * L ? left : FLOAT_ROWS / (PANEL * L) * (PANEL * L);
      multiply_float_tile(p, first, outs, row, rows);
      row += rows;
    }
  }
}

}  // namespace
}  // namespace BA_NS
