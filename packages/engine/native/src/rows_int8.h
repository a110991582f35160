// Rows of x in int8, as linear layers and experts of quantised weights read them: rounded as ggml rounds them for the same
// weights, so that both round alike, one scale per 32 elements, of 256 for k-quants. AVX2 and later.
#pragma once
#include "round.h"
#include "weights.h"

namespace BA_NS {
namespace {

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BA_VNNI 1
#endif

// A packed group: 32 bytes, a scale and a sum; with VNNI two sums, of the group's halves.
enum {
  ROW_SCALE = 32,
  ROW_SUM = ROW_SCALE + 4,
#if defined(BA_VNNI)
  ROW_GROUP = ROW_SUM + 8,
#else
  ROW_GROUP = ROW_SUM + 4,
#endif
};

static int64_t int8_row_bytes(int64_t k) { return k / 32 * ROW_GROUP; }

#if defined(__AVX2__)

// How ggml quantises a row that meets weights of a type.
enum Form {
  SCALE,      // a half per 32 elements (q8_0)
  SCALE_SUM,  // and the sum as a half, by the scale before it was rounded (q8_1)
  WIDE,       // a float per 256 elements, such that the largest becomes -127 (q8_K)
};
BA_INLINE Form form(int32_t type) {
  if (type == ba::W_Q4_1 || type == ba::W_Q5_1) return SCALE_SUM;
  return format(type).group == SUPER ? WIDE : SCALE;
}

// The largest magnitude; NaN counts for nothing.
BA_INLINE float largest(const float *x, int count) {
  const vi magnitude = splat(INT32_MAX);
  vf top = {};
  for (int i = 0; i < count; i += L) top = BA_NS::maximum((vf)((vi)load(x + i) & magnitude), top);
  return max_lane(top);
}

// The element of largest magnitude, the first of such.
BA_INLINE float largest_signed(const float *x, int count) {
  const float most = largest(x, count);
  for (int i = 0; most > 0 && i < count; i++)
    if (x[i] == most || x[i] == -most) return x[i];
  return 0;
}

// What is added to signed weights where they must be unsigned.
BA_INLINE int32_t shift_of(int32_t type) { return type == ba::W_Q8_0 ? 128 : type == ba::W_Q6_K ? 32 : 0; }

BA_INLINE int32_t total(__m256i x) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// A group of 32. x * inverse are its integers, scale undoes that. `shift` is that of the weights.
BA_INLINE void pack_group(Form form, int32_t shift, float inverse, float scale, const float *x, char *to) {
  const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8), c = _mm256_loadu_ps(x + 16),
               d = _mm256_loadu_ps(x + 24);
  const __m256 f = _mm256_set1_ps(inverse);
  const __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(a, f)), i1 = _mm256_cvtps_epi32(_mm256_mul_ps(b, f)),
                i2 = _mm256_cvtps_epi32(_mm256_mul_ps(c, f)), i3 = _mm256_cvtps_epi32(_mm256_mul_ps(d, f));
  const int32_t first = total(_mm256_add_epi32(i0, i1)), second = total(_mm256_add_epi32(i2, i3)), sum = first + second;
  const __m256i bytes = _mm256_permutevar8x32_epi32(
      _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3)), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256((__m256i *)to, bytes);
  const float stored_scale = form == WIDE ? scale : round_to_half(scale);
  const float stored_sum = form == SCALE_SUM ? round_to_half(scale * (float)sum) : stored_scale * (float)sum;
  memcpy(to + ROW_SCALE, &stored_scale, 4);
#if defined(BA_VNNI)
  if (shift != 0) {
    // What the shift of the weights adds, taken off as integers: of the group, or of its halves with a scale each.
    const int32_t off[2] = {-shift * (shift == 128 ? sum : first), -shift * second};
    memcpy(to + ROW_SUM, off, 8);
    return;
  }
#else
  (void)shift;
#endif
  memcpy(to + ROW_SUM, &stored_sum, 4);
}

BA_INLINE void pack_narrow(Form form, int32_t shift, const float *x, char *to) {
  const float most = largest(x, 32);
  pack_group(form, shift, most > 0 ? 127.0f / most : 0.0f, most / 127.0f, x, to);
}

static void pack_wide(int32_t shift, const float *x, char *to) {
  const float most = largest_signed(x, SUPER), inverse = most != 0 ? -127.0f / most : 0.0f;
  for (int g = 0; g < SUPER / 32; g++)
    pack_group(WIDE, shift, inverse, most != 0 ? 1 / inverse : 0, x + g * 32, to + g * ROW_GROUP);
}

// `source` a row's number: its floats. Threads split the blocks of all rows.
template <class F>
static void pack_int8_rows(int32_t type, int64_t k, int64_t rows, F source, char *packed, int32_t ith, int32_t nth) {
  const Form kind = form(type);
  const int32_t shift = shift_of(type);
  const int64_t step = kind == WIDE ? SUPER / 32 : 1, each = k / 32 / step;
  for (int64_t i = share(rows * each, ith, nth), to = share(rows * each, ith + 1, nth); i < to; i++) {
    const int64_t row = i / each, g = i % each * step;
    char *at = packed + (row * (k / 32) + g) * ROW_GROUP;
    if (kind == WIDE)
      pack_wide(shift, source(row) + g * 32, at);
    else
      pack_narrow(kind, shift, source(row) + g * 32, at);
  }
}

#endif

}  // namespace
}  // namespace BA_NS
