// Products of int8 rows with weights by AVX2: a vector holds four bytes of the weights of eight outputs, and pairs of bytes
// gather in int16 as long as they fit. Signs of signed weights move to the row, their magnitude is the unsigned side.
#pragma once

namespace BA_NS {
namespace {

BA_INLINE __m256i four(const char *p) {
  int32_t x;
  memcpy(&x, p, 4);
  return _mm256_set1_epi32(x);
}
BA_INLINE __m256 one_float(const char *p) {
  float x;
  memcpy(&x, p, 4);
  return _mm256_set1_ps(x);
}

// c[MR][8] (+)= `groups` groups of MR packed rows with eight outputs.
template <class KIND, int MR, int NV>
static void multiply_outputs(const OutTile &tile, const char *const *x, int32_t groups, float *c, bool add) {
  static_assert(NV == 1, "16 registers hold one vector of outputs");
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 sum[MR];
  BA_UNROLL for (int r = 0; r < MR; r++) sum[r] = add ? _mm256_loadu_ps(c + r * 8) : _mm256_setzero_ps();
  for (int32_t g = 0; g < groups; g++) {
    const int64_t at = (int64_t)g * ROW_GROUP;
    for (int s = 0; s < KIND::SCALES; s++) {
      __m256i whole[MR];
      for (int part = 0; part < 8 / KIND::SCALES; part += KIND::QUADS) {
        __m256i half[MR];
        BA_UNROLL for (int i = 0; i < KIND::QUADS; i++) {
          const int quad = s * 4 + part + i;
          const __m256i z = _mm256_loadu_si256((const __m256i *)tile.w[0][g * 8 + quad]);
          const __m256i size = KIND::SIGNED ? _mm256_abs_epi8(z) : z;
          BA_UNROLL for (int r = 0; r < MR; r++) {
            const __m256i y = four(x[r] + at + quad * 4);
            const __m256i product = _mm256_maddubs_epi16(size, KIND::SIGNED ? _mm256_sign_epi8(y, z) : y);
            half[r] = i == 0 ? product : _mm256_add_epi16(half[r], product);
          }
        }
        BA_UNROLL for (int r = 0; r < MR; r++) {
          const __m256i pairs = _mm256_madd_epi16(half[r], ones);
          whole[r] = part == 0 ? pairs : _mm256_add_epi32(whole[r], pairs);
        }
      }
      const __m256 factor = _mm256_loadu_ps((s == 1 ? tile.minimum : tile.scale)[0][g]);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r] = _mm256_fmadd_ps(
          _mm256_cvtepi32_ps(whole[r]), _mm256_mul_ps(one_float(x[r] + at + ROW_SCALE), factor), sum[r]);
    }
    if (!KIND::SIGNED) {
      const __m256 minimum = _mm256_loadu_ps(tile.minimum[0][g]);
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r] = _mm256_fmadd_ps(minimum, one_float(x[r] + at + ROW_SUM), sum[r]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) _mm256_storeu_ps(c + r * 8, sum[r]);
}

}  // namespace
}  // namespace BA_NS
