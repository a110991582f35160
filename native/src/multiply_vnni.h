// Products of int8 rows with weights by AVX-512 VNNI: four bytes of a weight's row meet those of sixteen rows in one
// instruction, whose weights are unsigned: signed ones are shifted, and what that adds is taken off by the packed sums.
#pragma once
#include "weights.h"

namespace BA_NS {
namespace {

// c[NV][MR][16] (+)= `groups` groups of MR weight rows, INT_K bytes apart, with NV panels of 16 rows. Panels of x are
// `x_panel` bytes apart, those of c `c_panel` floats.
template <class KIND, int MR, int NV>
static void multiply_groups(const uint8_t *w, const float *scale, const float *minimum, const char *x, int64_t x_panel,
                            int32_t groups, float *c, int64_t c_panel, bool add) {
  __m512 sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      add ? _mm512_loadu_ps(c + v * c_panel + r * 16) : _mm512_setzero_ps();
  for (int32_t g = 0; g < groups; g++, x += GROUP8) {
    for (int s = 0; s < KIND::SCALES; s++) {
      __m512i whole[MR][NV];
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const __m512i start = KIND::SIGNED ? _mm512_loadu_si512(x + v * x_panel + SUM8 + s * 64) : _mm512_setzero_si512();
        BA_UNROLL for (int r = 0; r < MR; r++) whole[r][v] = start;
      }
      BA_UNROLL for (int i = 0; i < 8 / KIND::SCALES; i++) {
        const int quad = s * 4 + i;
        __m512i y[NV];
        BA_UNROLL for (int v = 0; v < NV; v++) y[v] = _mm512_loadu_si512(x + v * x_panel + quad * QUAD8);
        BA_UNROLL for (int r = 0; r < MR; r++) {
          int32_t z;
          memcpy(&z, w + r * INT_K + g * 32 + quad * 4, 4);
          BA_UNROLL for (int v = 0; v < NV; v++) whole[r][v] =
              _mm512_dpbusd_epi32(whole[r][v], _mm512_set1_epi32(z), y[v]);
        }
      }
      const float *factor = s == 1 ? minimum : scale;
      BA_UNROLL for (int v = 0; v < NV; v++) {
        const __m512 x_scale = _mm512_loadu_ps(x + v * x_panel + SCALE8);
        BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[r][v]),
                            _mm512_mul_ps(x_scale, _mm512_set1_ps(factor[r * (INT_K / 32) + g])), sum[r][v]);
      }
    }
    if (!KIND::SIGNED) BA_UNROLL for (int v = 0; v < NV; v++) {
      const __m512 x_sum = _mm512_loadu_ps(x + v * x_panel + SUM8);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r][v] =
          _mm512_fmadd_ps(_mm512_set1_ps(minimum[r * (INT_K / 32) + g]), x_sum, sum[r][v]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++)
      _mm512_storeu_ps(c + v * c_panel + r * 16, sum[r][v]);
}

}  // namespace
}  // namespace BA_NS
