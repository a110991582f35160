// Linear layers in int8: quantised weights, rows quantised as ggml does for the same weights, so that both round alike:
// one scale per 32 elements, of 256 for k-quants. AVX2 and later.
//
// As in linear_float.h rows are lanes: a vector holds four consecutive elements of eight rows, weights are broadcast four
// at a time. Products of unsigned weights gather in int16 as long as they fit; signs of signed weights move to them
// from x, whose magnitude is the unsigned side.
#pragma once
#include "round.h"
#include "scatter.h"
#include "weights.h"

namespace BA_NS {
namespace {

enum {
  ROWS8 = 8,
  GROUP8 = 8 * 32 + 2 * 8 * 4,  // bytes of a packed group of 8 rows: [8 quads][8 rows][4], scale [8], sum [8]
  INT_K = 768,                  // elements of k unpacked at a time: a multiple of every group
  INT_OUTS = 24,
  INT_PANELS = 64,
};

static int64_t int8_packed_bytes(int64_t k, int64_t rows) { return (rows + 7) / 8 * (k / 32) * GROUP8; }

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

// The element of largest magnitude, the first of such.
BA_INLINE float largest(const float *x, int count) {
  float most = 0, at = 0;
  for (int i = 0; i < count; i++)
    if (x[i] > most || -x[i] > most) {
      most = x[i] < 0 ? -x[i] : x[i];
      at = x[i];
    }
  return at;
}

// One row's group of 32 into lane r. x * inverse are its integers, scale undoes that.
BA_INLINE void pack_group(Form form, float inverse, float scale, const float *x, char *to, int r) {
  const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8), c = _mm256_loadu_ps(x + 16),
               d = _mm256_loadu_ps(x + 24);
  const __m256 f = _mm256_set1_ps(inverse);
  const __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(a, f)), i1 = _mm256_cvtps_epi32(_mm256_mul_ps(b, f)),
                i2 = _mm256_cvtps_epi32(_mm256_mul_ps(c, f)), i3 = _mm256_cvtps_epi32(_mm256_mul_ps(d, f));
  int32_t sums[8];
  _mm256_storeu_si256((__m256i *)sums, _mm256_add_epi32(_mm256_add_epi32(i0, i1), _mm256_add_epi32(i2, i3)));
  int32_t sum = 0;
  for (int i = 0; i < 8; i++) sum += sums[i];
  const __m256i bytes = _mm256_permutevar8x32_epi32(
      _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3)), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  int32_t quads[8];
  _mm256_storeu_si256((__m256i *)quads, bytes);
  for (int i = 0; i < 8; i++) memcpy(to + i * 32 + r * 4, &quads[i], 4);
  const float stored_scale = form == WIDE ? scale : round_to_half(scale);
  const float stored_sum = form == SCALE_SUM ? round_to_half(scale * (float)sum) : stored_scale * (float)sum;
  memcpy(to + 256 + r * 4, &stored_scale, 4);
  memcpy(to + 288 + r * 4, &stored_sum, 4);
}

BA_INLINE void pack_narrow(Form form, const float *x, char *to, int r) {
  const float first = largest(x, 32), most = first < 0 ? -first : first;
  pack_group(form, most > 0 ? 127.0f / most : 0.0f, most / 127.0f, x, to, r);
}

static void pack_wide(const float *x, char *to, int r) {
  const float most = largest(x, SUPER), inverse = most != 0 ? -127.0f / most : 0.0f;
  for (int g = 0; g < SUPER / 32; g++)
    pack_group(WIDE, inverse, most != 0 ? 1 / inverse : 0, x + g * 32, to + g * GROUP8, r);
}

static void pack_int8(const ba::Product &p, int32_t ith, int32_t nth) {
  const Form kind = form(p.type);
  const int64_t step = kind == WIDE ? SUPER / 32 : 1, groups = p.k / 32;
  const int64_t from = share(groups / step, ith, nth) * step, to = share(groups / step, ith + 1, nth) * step;
  for (int64_t panel = 0; panel * 8 < p.rows; panel++) {
    const int64_t rows = smaller((int64_t)8, p.rows - panel * 8);
    for (int64_t g = from; g < to; g += step) {
      char *packed = p.packed + (panel * groups + g) * GROUP8;
      if (rows < 8) memset(packed, 0, (size_t)(GROUP8 * step));
      for (int64_t r = 0; r < rows; r++) {
        const float *x = p.x + (panel * 8 + r) * p.x_row + g * 32;
        if (kind == WIDE)
          pack_wide(x, packed, (int)r);
        else
          pack_narrow(kind, x, packed, (int)r);
      }
    }
  }
}

BA_INLINE __m256i four(const uint8_t *w) {
  int32_t x;
  memcpy(&x, w, 4);
  return _mm256_set1_epi32(x);
}

// How weights of a kind gather: how many quads fit into int16, whether they are signed, how many scales a group has.
struct Small {  // 0..15: 8 * 2 * 15 * 127 < 2^15
  enum { QUADS = 8, SIGNED = 0, SCALES = 1 };
};
struct Five {  // 0..31: 4 * 2 * 31 * 127 < 2^15
  enum { QUADS = 4, SIGNED = 0, SCALES = 1 };
};
struct Six {  // -32..31: 4 * 2 * 32 * 127 < 2^15
  enum { QUADS = 4, SIGNED = 1, SCALES = 2 };
};
struct Byte {  // -128..127: 2 * 128 * 127 < 2^15
  enum { QUADS = 1, SIGNED = 1, SCALES = 1 };
};

// c[MR][8] (+)= `groups` groups of MR weight rows, INT_K bytes apart, with a panel of 8 rows.
template <class KIND, int MR>
static void multiply_groups(const uint8_t *w, const float *scale, const float *minimum, const char *x, int32_t groups,
                            float *c, bool add) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 sum[MR];
  BA_UNROLL for (int r = 0; r < MR; r++) sum[r] = add ? _mm256_loadu_ps(c + r * 8) : _mm256_setzero_ps();
  for (int32_t g = 0; g < groups; g++, x += GROUP8) {
    const __m256 x_scale = _mm256_loadu_ps((const float *)(x + 256));
    for (int s = 0; s < KIND::SCALES; s++) {
      __m256i whole[MR];
      for (int part = 0; part < 8 / KIND::SCALES; part += KIND::QUADS) {
        __m256i half[MR];
        BA_UNROLL for (int i = 0; i < KIND::QUADS; i++) {
          const int quad = s * 4 + part + i;
          const __m256i y = _mm256_loadu_si256((const __m256i *)(x + quad * 32));
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
      const __m256 x_sum = _mm256_loadu_ps((const float *)(x + 288));
      BA_UNROLL for (int r = 0; r < MR; r++) sum[r] =
          _mm256_fmadd_ps(_mm256_set1_ps(minimum[r * (INT_K / 32) + g]), x_sum, sum[r]);
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) _mm256_storeu_ps(c + r * 8, sum[r]);
}

template <class KIND>
static void multiply_int8_tile(const ba::Product &p, int64_t first, int32_t outs, int64_t panel, int64_t panels) {
  alignas(64) uint8_t w[INT_OUTS * INT_K];
  alignas(64) float scale[INT_OUTS * (INT_K / 32)], minimum[INT_OUTS * (INT_K / 32)];
  alignas(64) float c[INT_OUTS * INT_PANELS * 8];
  const Format f = format(p.type);
  for (int64_t k = 0; k < p.k; k += INT_K) {
    const int32_t n = (int32_t)smaller((int64_t)INT_K, p.k - k);
    for (int32_t o = 0; o < outs; o++)
      unpack_bytes(p.type, p.weight + (first + o) * p.weight_row + k / f.group * f.bytes, n, w + o * INT_K,
                   scale + o * (INT_K / 32), minimum + o * (INT_K / 32));
    for (int64_t i = 0; i < panels; i++) {
      const char *x = p.packed + ((panel + i) * (p.k / 32) + k / 32) * GROUP8;
      float *to = c + i * outs * 8;
      int32_t o = 0;
      const auto step = [&](auto multiply, int32_t count) {
        multiply(w + o * INT_K, scale + o * (INT_K / 32), minimum + o * (INT_K / 32), x, n / 32, to + o * 8, k > 0);
        o += count;
      };
      while (o + 6 <= outs) step(multiply_groups<KIND, 6>, 6);
      if (o + 4 <= outs) step(multiply_groups<KIND, 4>, 4);
      if (o + 2 <= outs) step(multiply_groups<KIND, 2>, 2);
    }
  }
  for (int64_t i = 0; i < panels; i++) {
    const int64_t row = (panel + i) * 8;
    scatter(c + i * outs * 8, 8, outs, (int32_t)smaller((int64_t)8, p.rows - row), p.y + row * p.y_row + first, p.y_row);
  }
}

template <class KIND>
static void multiply_int8(const ba::Product &p, int32_t ith, int32_t nth) {
  const int64_t to = share(p.n / 8, ith + 1, nth) * 8, panels = (p.rows + 7) / 8;
  for (int64_t first = share(p.n / 8, ith, nth) * 8; first < to; first += INT_OUTS)
    for (int64_t panel = 0; panel < panels; panel += INT_PANELS)
      multiply_int8_tile<KIND>(p, first, (int32_t)smaller((int64_t)INT_OUTS, to - first), panel,
                               smaller((int64_t)INT_PANELS, panels - panel));
}

#endif

}  // namespace
}  // namespace BA_NS
