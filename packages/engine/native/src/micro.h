// The f32 micro-kernel of attention and of linear layers: a few rows of one matrix against a panel of the other.
#pragma once
#include "vec.h"

namespace BA_NS {
namespace {

// c[MR][NV * L] = a[MR][k] * b[k][NV * L], added to c * factor when ADD. TRANSPOSED: a lies as [k][MR], a_stride apart.
template <int MR, int NV, bool ADD, bool TRANSPOSED = false>
BA_INLINE void multiply(const float *a, int64_t a_stride, const float *b, int32_t k, float *c, const vf *factor) {
  vf sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      ADD ? load(c + (r * NV + v) * L) * factor[v] : (vf){};
  for (int32_t i = 0; i < k; i++) {
    vf x[NV];
    BA_UNROLL for (int v = 0; v < NV; v++) x[v] = load(b + ((int64_t)i * NV + v) * L);
    BA_UNROLL for (int r = 0; r < MR; r++) {
      const vf y = splat(TRANSPOSED ? a[i * a_stride + r] : a[r * a_stride + i]);
      BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] += y * x[v];
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) store(c + (r * NV + v) * L, sum[r][v]);
}

// The widest panel of rows, in vectors. Of 16 registers, 8 sums of 4 rows by 2 vectors come closer to the peak than 12
// of 4 by 3. 4 vectors are two panels of 2, which is faster than 3 and 1.
enum { PANEL = REGISTERS == 32 ? 3 : 2 };
BA_INLINE int panel_vectors(int left) { return left == 4 ? 2 : smaller(left, (int)PANEL); }

// f(first row, lanes) for each panel of `rows` rows.
template <class F>
BA_INLINE void for_panels(int32_t rows, F f) {
  const int vectors = (rows + L - 1) / L;
  for (int at = 0, n; at < vectors; at += n) {
    n = panel_vectors(vectors - at);
    f(at * L, n * L);
  }
}

}  // namespace
}  // namespace BA_NS
