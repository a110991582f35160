// Linear layers in int8: quantised weights, rows quantised as ggml does for the same weights, so that both round alike:
// one scale per 32 elements, of 256 for k-quants. AVX2 and later.
//
// As in linear_float.h rows are lanes: a vector holds four consecutive elements of as many rows as it has floats, weights
// are broadcast four at a time. How they are multiplied is multiply_avx2.h's and multiply_vnni.h's: integers are exact, and
// floats are added in one order, so both give the same bits.
#pragma once
#include "round.h"
#include "scatter.h"
#include "weights.h"

namespace BA_NS {
namespace {

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BA_VNNI 1
#endif

enum {
#if defined(__AVX512VNNI__)
  LANES8 = 16,
#else
  LANES8 = 8,
#endif
#if defined(BA_VNNI)
  SLOTS8 = 3,
#else
  SLOTS8 = 2,
#endif
  INT_K = 768,  // elements of k unpacked at a time: a multiple of every group
  INT_OUTS = 24,
  INT_PANELS = 512 / LANES8,
};

// A packed group of a panel of rows: [8 quads][rows][4] bytes, then slots of [rows]: scale, sum; with VNNI two sums.
template <int ROWS>
struct Panel8 {
  enum { QUAD = ROWS * 4, SCALE = 8 * QUAD, SUM = SCALE + ROWS * 4, GROUP = SCALE + SLOTS8 * ROWS * 4 };
};
enum {
  QUAD8 = Panel8<LANES8>::QUAD,
  SCALE8 = Panel8<LANES8>::SCALE,
  SUM8 = Panel8<LANES8>::SUM,
  GROUP8 = Panel8<LANES8>::GROUP,
};

static int64_t int8_packed_bytes(int64_t k, int64_t rows) { return (rows + LANES8 - 1) / LANES8 * (k / 32) * GROUP8; }

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

// What is added to signed weights where they must be unsigned.
BA_INLINE int32_t shift_of(int32_t type) { return type == ba::W_Q8_0 ? 128 : type == ba::W_Q6_K ? 32 : 0; }

BA_INLINE int32_t total(__m256i x) {
  int32_t lanes[8], sum = 0;
  _mm256_storeu_si256((__m256i *)lanes, x);
  for (int i = 0; i < 8; i++) sum += lanes[i];
  return sum;
}

// One row's group of 32 into lane r of ROWS. x * inverse are its integers, scale undoes that. `shift` is that of the weights.
template <int ROWS>
BA_INLINE void pack_group(Form form, int32_t shift, float inverse, float scale, const float *x, char *to, int r) {
  using At = Panel8<ROWS>;
  const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8), c = _mm256_loadu_ps(x + 16),
               d = _mm256_loadu_ps(x + 24);
  const __m256 f = _mm256_set1_ps(inverse);
  const __m256i i0 = _mm256_cvtps_epi32(_mm256_mul_ps(a, f)), i1 = _mm256_cvtps_epi32(_mm256_mul_ps(b, f)),
                i2 = _mm256_cvtps_epi32(_mm256_mul_ps(c, f)), i3 = _mm256_cvtps_epi32(_mm256_mul_ps(d, f));
  const int32_t first = total(_mm256_add_epi32(i0, i1)), second = total(_mm256_add_epi32(i2, i3)), sum = first + second;
  const __m256i bytes = _mm256_permutevar8x32_epi32(
      _mm256_packs_epi16(_mm256_packs_epi32(i0, i1), _mm256_packs_epi32(i2, i3)), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  int32_t quads[8];
  _mm256_storeu_si256((__m256i *)quads, bytes);
  for (int i = 0; i < 8; i++) memcpy(to + i * At::QUAD + r * 4, &quads[i], 4);
  const float stored_scale = form == WIDE ? scale : round_to_half(scale);
  const float stored_sum = form == SCALE_SUM ? round_to_half(scale * (float)sum) : stored_scale * (float)sum;
  memcpy(to + At::SCALE + r * 4, &stored_scale, 4);
#if defined(BA_VNNI)
  if (shift != 0) {
    // What the shift of the weights adds, taken off as integers: of the group, or of its halves with a scale each.
    const int32_t off[2] = {-shift * (shift == 128 ? sum : first), -shift * second};
    memcpy(to + At::SUM + r * 4, &off[0], 4);
    memcpy(to + At::SUM + ROWS * 4 + r * 4, &off[1], 4);
    return;
  }
#else
  (void)shift;
#endif
  memcpy(to + At::SUM + r * 4, &stored_sum, 4);
}

template <int ROWS>
BA_INLINE void pack_narrow(Form form, int32_t shift, const float *x, char *to, int r) {
  const float first = largest(x, 32), most = first < 0 ? -first : first;
  pack_group<ROWS>(form, shift, most > 0 ? 127.0f / most : 0.0f, most / 127.0f, x, to, r);
}

template <int ROWS>
static void pack_wide(int32_t shift, const float *x, char *to, int r) {
  const float most = largest(x, SUPER), inverse = most != 0 ? -127.0f / most : 0.0f;
  for (int g = 0; g < SUPER / 32; g++)
    pack_group<ROWS>(WIDE, shift, inverse, most != 0 ? 1 / inverse : 0, x + g * 32, to + g * Panel8<ROWS>::GROUP, r);
}

static void pack_int8(const ba::Product &p, int32_t ith, int32_t nth) {
  const Form kind = form(p.type);
  const int64_t step = kind == WIDE ? SUPER / 32 : 1, groups = p.k / 32;
  const int64_t from = share(groups / step, ith, nth) * step, to = share(groups / step, ith + 1, nth) * step;
  const int32_t shift = shift_of(p.type);
  for (int64_t panel = 0; panel * LANES8 < p.rows; panel++) {
    const int64_t rows = smaller((int64_t)LANES8, p.rows - panel * LANES8);
    for (int64_t g = from; g < to; g += step) {
      char *packed = p.packed + (panel * groups + g) * GROUP8;
      if (rows < LANES8) memset(packed, 0, (size_t)(GROUP8 * step));
      for (int64_t r = 0; r < rows; r++) {
        const float *x = p.x + (panel * LANES8 + r) * p.x_row + g * 32;
        if (kind == WIDE)
          pack_wide<LANES8>(shift, x, packed, (int)r);
        else
          pack_narrow<LANES8>(kind, shift, x, packed, (int)r);
      }
    }
  }
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

}  // namespace
}  // namespace BA_NS
#if defined(BA_VNNI)
#include "multiply_vnni.h"
#else
#include "multiply_avx2.h"
#endif
namespace BA_NS {
namespace {

template <class KIND>
static void multiply_int8_tile(const ba::Product &p, int64_t first, int32_t outs, int64_t panel, int64_t panels) {
  alignas(64) uint8_t w[INT_OUTS * INT_K];
  alignas(64) float scale[INT_OUTS * (INT_K / 32)], minimum[INT_OUTS * (INT_K / 32)];
  alignas(64) float c[INT_OUTS * INT_PANELS * LANES8];
  const Format f = format(p.type);
  for (int64_t k = 0; k < p.k; k += INT_K) {
    const int32_t n = (int32_t)smaller((int64_t)INT_K, p.k - k);
    for (int32_t o = 0; o < outs; o++)
      unpack_bytes(p.type, p.weight + (first + o) * p.weight_row + k / f.group * f.bytes, n, w + o * INT_K,
                   scale + o * (INT_K / 32), minimum + o * (INT_K / 32));
    if (SLOTS8 == 3 && KIND::SIGNED)
      for (int32_t o = 0; o < outs; o++)
        for (int32_t i = 0; i < n; i++) w[o * INT_K + i] = (uint8_t)(w[o * INT_K + i] + shift_of(p.type));
    const int64_t x_panel = p.k / 32 * GROUP8, c_panel = (int64_t)outs * LANES8;
    int64_t i = 0;
    const auto pass = [&](auto six, auto four, auto two, int64_t count) {
      const char *x = p.packed + (panel + i) * x_panel + k / 32 * GROUP8;
      float *to = c + i * c_panel;
      int32_t o = 0;
      const auto step = [&](auto multiply, int32_t rows) {
        multiply(w + o * INT_K, scale + o * (INT_K / 32), minimum + o * (INT_K / 32), x, x_panel, n / 32, to + o * LANES8,
                 c_panel, k > 0);
        o += rows;
      };
      while (o + 6 <= outs) step(six, 6);
      if (o + 4 <= outs) step(four, 4);
      if (o + 2 <= outs) step(two, 2);
      i += count;
    };
#if defined(__AVX512VNNI__)
    while (i + 2 <= panels) pass(multiply_groups<KIND, 6, 2>, multiply_groups<KIND, 4, 2>, multiply_groups<KIND, 2, 2>, 2);
#endif
    while (i < panels) pass(multiply_groups<KIND, 6, 1>, multiply_groups<KIND, 4, 1>, multiply_groups<KIND, 2, 1>, 1);
  }
  for (int64_t i = 0; i < panels; i++) {
    const int64_t row = (panel + i) * LANES8;
    scatter(c + i * outs * LANES8, LANES8, outs, (int32_t)smaller((int64_t)LANES8, p.rows - row),
            p.y + row * p.y_row + first, p.y_row);
  }
}

template <class KIND>
static void multiply_int8(const ba::Product &p, int32_t ith, int32_t nth) {
  const int64_t to = share(p.n / 8, ith + 1, nth) * 8, panels = (p.rows + LANES8 - 1) / LANES8;
  for (int64_t first = share(p.n / 8, ith, nth) * 8; first < to; first += INT_OUTS)
    for (int64_t panel = 0; panel < panels; panel += INT_PANELS)
      multiply_int8_tile<KIND>(p, first, (int32_t)smaller((int64_t)INT_OUTS, to - first), panel,
                               smaller((int64_t)INT_PANELS, panels - panel));
}

#endif

}  // namespace
}  // namespace BA_NS
