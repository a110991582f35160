// Products of int8 rows with weights by VNNI: four bytes of a weight's row meet those of as many rows as a vector has floats
// in one instruction, whose weights are unsigned: signed ones are shifted, and what that adds is taken off by the packed
// sums. On 512 bits (AVX-512 VNNI) or 256 (AVX-VNNI).
#pragma once
#include "weights.h"

namespace BA_NS {
namespace {

#if BA_LANES == 16
BA_INLINE vi load_ints(const char *p) { return (vi)_mm512_loadu_si512(p); }
BA_INLINE vi add_products(vi sum, vi weights, vi x) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)weights, (__m512i)x);
}
BA_INLINE vf to_floats(vi x) { return (vf)_mm512_cvtepi32_ps((__m512i)x); }
BA_INLINE vf fused(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#else
BA_INLINE vi load_ints(const char *p) { return (vi)_mm256_loadu_si256((const __m256i *)p); }
BA_INLINE vi add_products(vi sum, vi weights, vi x) {
  return (vi)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)weights, (__m256i)x);
}
BA_INLINE vf to_floats(vi x) { return (vf)_mm256_cvtepi32_ps((__m256i)x); }
BA_INLINE vf fused(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#endif
BA_INLINE vf load_floats(const char *p) { return load((const float *)p); }

// c[NV][MR][L] (+)= `groups` groups of MR weight rows, INT_K bytes apart, with NV panels of L rows. Panels of x are
// `x_panel` bytes apart, those of c `c_panel` floats.
template <class KIND, int MR, int NV>
static void multiply_groups(const uint8_t *w, const float *scale, const float *minimum, const char *x, int64_t x_panel,
                            int32_t groups, float *c, int64_t c_panel, bool add) {
  static_assert((int)L == (int)LANES8, "a vector holds a panel's rows");
  vf sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      add ? load(c + v * c_panel + r * L) : splat(0.0f);
  for (int32_t g = 0; g < groups; g++, x += GROUP8) {
    for (int s = 0; s < KIND::SCALES; s++) {
      vi whole[MR][NV];
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const vi start = KIND::SIGNED ? load_ints(x + v * x_panel + SUM8 + s * L * 4) : splat(0);
        BA_UNROLL for (int r = 0; r < MR; r++) whole[r][v] = start;
      }
      BA_UNROLL for (int i = 0; i < 8 / KIND::SCALES; i++) {
        const int quad = s * 4 + i;
        vi y[NV];
        BA_UNROLL for (int v = 0; v < NV; v++) y[v] = load_ints(x + v * x_panel + quad * QUAD8);
        BA_UNROLL for (int r = 0; r < MR; r++) {
          int32_t z;
          memcpy(&z, w + r * INT_K + g * 32 + quad * 4, 4);
          BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] = add_products(whole[r][v], splat(z), y[v]);
        }
      }
      const float *factor = s == 1 ? minimum : scale;
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const vf x_scale = load_floats(x + v * x_panel + SCALE8);
        BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
            fused(to_floats(whole[r][v]), x_scale * splat(factor[r * (INT_K / 32) + g]), sum[r][v]);
      }
    }
    if (!KIND::SIGNED) BA_UNROLL for (int v = 0; v < NV; v++) {
      const vf x_sum = load_floats(x + v * x_panel + SUM8);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
          fused(splat(minimum[r * (INT_K / 32) + g]), x_sum, sum[r][v]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) store(c + v * c_panel + r * L, sum[r][v]);
}

}  // namespace
}  // namespace BA_NS
