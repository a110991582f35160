// Products of int8 rows with weights by AVX2: pairs of bytes gather in int16 as long as they fit. Signs of signed weights
// move to them from x, whose magnitude is the unsigned side.
#pragma once
#include "weights.h"

namespace BA_NS {
namespace {

BA_INLINE __m256i four(const uint8_t *w) {
  int32_t x;
  memcpy(&x, w, 4);
  return _mm256_set1_epi32(x);
}

// c[MR][8] (+)= `groups` groups of MR weight rows, INT_K bytes apart, with a panel of 8 rows.
template <class KIND, int MR, int NV>
static void multiply_groups(const uint8_t *w, const float *scale, const float *minimum, const char *x, int64_t,
                            int32_t groups, float *c, int64_t, bool add) {
  static_assert(NV == 1, "16 registers hold one panel");
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 sum[MR];
  BA_UNROLL for (int r = 0; r < MR; r++) sum[r] = add ? _mm256_loadu_ps(c + r * 8) : _mm256_setzero_ps();
  for (int32_t g = 0; g < groups; g++, x += GROUP8) {
    const __m256 x_scale = _mm256_loadu_ps((const float *)(x + SCALE8));
    for (int s = 0; s < KIND::SCALES; s++) {
      __m256i whole[MR];
      for (int part = 0; part < 8 / KIND::SCALES; part += KIND::QUADS) {
        __m256i half[MR];
        BA_UNROLL for (int i = 0; i < KIND::QUADS; i++) {
          const int quad = s * 4 + part + i;
          const __m256i y = _mm256_loadu_si256((const __m256i *)(x + quad * QUAD8));
          const __m256i size = KIND::SIGNED ? _mm256_abs_epi8(y) : y;
          BA_UNROLL for (int r = 0; r < MR; r++) {
            const __m256i z = four(w + r * INT_K + g * 32 + quad * 4);
            const __m256i product = KIND::SIGNED ? _mm256_maddubs_epi16(size, _mm256_sign_epi8(z, y))
                                                 : _mm256_maddubs_epi16(z, y);
            half[r] = i == 0 ? product : _mm256_add_epi16(half[r], product);
          }
        }
        BA_UNROLL for (int r = 0; r < MR; r++) {
          const __m256i pairs = _mm256_madd_epi16(half[r], ones);
          whole[r] = part == 0 ? pairs : _mm256_add_epi32(whole[r], pairs);
        }
      }
      const float *factor = KIND::SCALES == 2 && s == 1 ? minimum : scale;
      BA_UNROLL for (int r = 0; r < MR; r++) {
        const __m256 f = _mm256_mul_ps(x_scale, _mm256_set1_ps(factor[r * (INT_K / 32) + g]));
        sum[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[r]), f, sum[r]);
      }
    }
    if (!KIND::SIGNED) {
      const __m256 x_sum = _mm256_loadu_ps((const float *)(x + SUM8));
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r] =
          _mm256_fmadd_ps(_mm256_set1_ps(minimum[r * (INT_K / 32) + g]), x_sum, sum[r]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) _mm256_storeu_ps(c + r * 8, sum[r]);
}

}  // namespace
}  // namespace BA_NS
