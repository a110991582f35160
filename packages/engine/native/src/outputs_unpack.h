// Weights of as many outputs as a vector of bytes has lanes, from rows as they lie to quads by lane: sixteen bytes of each
// row are transposed while they are packed, and unpacked as vectors.
//
// Per group of 32 and output there are one scale and one minimum (w = scale * q + minimum), or two scales, of the group's
// halves, and no minimum.
#pragma once
#include "outputs.h"

namespace BA_NS {
namespace {

#if defined(__AVX2__)

typedef uint32_t vq __attribute__((vector_size(LANES8 * 4)));  // four bytes of each lane
typedef float vqf __attribute__((vector_size(LANES8 * 4)));
typedef uint8_t vqb __attribute__((vector_size(LANES8 * 4)));
typedef int8_t vqs __attribute__((vector_size(LANES8 * 4)));
typedef vq vq_any __attribute__((aligned(4), may_alias));
typedef vqf vqf_any __attribute__((aligned(4), may_alias));

BA_INLINE __m128i sixteen(const char *p) { return _mm_loadu_si128((const __m128i *)p); }

// to[i] = bytes [at + 4 i, at + 4 i + 4) of each lane's row.
BA_INLINE void load_quads(const char *const *row, int64_t at, vq *to) {
#if defined(__AVX512VNNI__)
  __m512i a[4];
  BA_UNROLL for (int r = 0; r < 4; r++) {
    a[r] = _mm512_inserti32x4(_mm512_castsi128_si512(sixteen(row[r] + at)), sixteen(row[r + 4] + at), 1);
    a[r] = _mm512_inserti32x4(a[r], sixteen(row[r + 8] + at), 2);
    a[r] = _mm512_inserti32x4(a[r], sixteen(row[r + 12] + at), 3);
  }
  const __m512i b0 = _mm512_unpacklo_epi32(a[0], a[1]), b1 = _mm512_unpackhi_epi32(a[0], a[1]);
  const __m512i b2 = _mm512_unpacklo_epi32(a[2], a[3]), b3 = _mm512_unpackhi_epi32(a[2], a[3]);
  to[0] = (vq)_mm512_unpacklo_epi64(b0, b2);
  to[1] = (vq)_mm512_unpackhi_epi64(b0, b2);
  to[2] = (vq)_mm512_unpacklo_epi64(b1, b3);
  to[3] = (vq)_mm512_unpackhi_epi64(b1, b3);
#else
  __m256i a[4];
  BA_UNROLL for (int r = 0; r < 4; r++) a[r] =
      _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen(row[r] + at)), sixteen(row[r + 4] + at), 1);
  const __m256i b0 = _mm256_unpacklo_epi32(a[0], a[1]), b1 = _mm256_unpackhi_epi32(a[0], a[1]);
  const __m256i b2 = _mm256_unpacklo_epi32(a[2], a[3]), b3 = _mm256_unpackhi_epi32(a[2], a[3]);
  to[0] = (vq)_mm256_unpacklo_epi64(b0, b2);
  to[1] = (vq)_mm256_unpackhi_epi64(b0, b2);
  to[2] = (vq)_mm256_unpacklo_epi64(b1, b3);
  to[3] = (vq)_mm256_unpackhi_epi64(b1, b3);
#endif
}

// The low 16 bits of each lane as a half.
BA_INLINE vqf halves_of(vq x) {
#if defined(__AVX512VNNI__)
  return (vqf)_mm512_maskz_cvtph_ps(0xffff, _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)x));
#else
  const __m256i words = _mm256_packus_epi32((__m256i)(x & 0xffff), _mm256_setzero_si256());
  return (vqf)_mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(words, 0xd8)));
#endif
}

// A byte of each lane as a number.
BA_INLINE vqf number_of(vq x, int byte) { return __builtin_convertvector((x >> (8 * byte)) & 0xff, vqf); }
BA_INLINE vqf signed_number_of(vq x, int byte) {
  typedef int32_t vqi __attribute__((vector_size(LANES8 * 4)));
  return __builtin_convertvector((vqi)(x << (24 - 8 * byte)) >> 24, vqf);
}

BA_INLINE vq low(vq x) { return x & 0x0f0f0f0f; }
BA_INLINE vq high(vq x) { return x >> 4 & 0x0f0f0f0f; }

// Bits [4 quad, 4 quad + 4) become bit 4 of four bytes.
BA_INLINE vq fifth_of(vq bits, int quad) { return ((bits >> (4 * quad) & 15) * 0x00204081 & 0x01010101) << 4; }

// Where a vector of outputs is unpacked to.
struct LaneTile {
  uint8_t (*w)[LANES8][4];
  float (*scale)[LANES8], (*minimum)[LANES8];
  BA_INLINE void put(const LaneTile &t, int64_t group, int quad, vq x) { *(vq_any *)t.w[group * 8 + quad] = x; }
  BA_INLINE void put(const LaneTile &t, int64_t group, vqf scale, vqf minimum) {
    *(vqf_any *)t.scale[group] = scale;
    *(vqf_any *)t.minimum[group] = minimum;
  }
};

BA_INLINE vq mxfp4_halves(vq x) {
#if defined(__AVX512VNNI__)
  const __m512i table = _mm512_maskz_broadcast_i32x4(0xffff, _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  return (vq)_mm512_shuffle_epi8(table, (__m512i)x);
#else
  const __m256i table = _mm256_broadcastsi128_si256(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  return (vq)_mm256_shuffle_epi8(table, (__m256i)x);
#endif
}

// Group g of 32, which begins at byte `at` of each row.
BA_INLINE void unpack_lanes_32(int32_t type, const char *const *row, int64_t at, int64_t g, const LaneTile &t) {
  vq first[4], x[4];
  load_quads(row, at, first);
  const vqf d = halves_of(first[0]);
  const bool five = type == ba::W_Q5_0 || type == ba::W_Q5_1, with_minimum = type == ba::W_Q4_1 || type == ba::W_Q5_1;
  if (type == ba::W_Q8_0) {
    for (int half = 0; half < 2; half++) {
      load_quads(row, at + 2 + 16 * half, x);
      BA_UNROLL for (int j = 0; j < 4; j++) {
#if defined(BA_VNNI)
        // Without a sign, 128 added; -128, which has no negative, is read as -127.
        const vqb bytes = (vqb)(x[j] ^ 0x80808080);
        LaneTile::put(t, g, 4 * half + j, (vq)(bytes > 1 ? bytes : (vqb){} + 1));
#else
        const vqs bytes = (vqs)x[j];
        LaneTile::put(t, g, 4 * half + j, (vq)(bytes > -127 ? bytes : (vqs){} - 127));
#endif
      }
    }
    return LaneTile::put(t, g, d, (vqf){});
  }
  load_quads(row, at + (type == ba::W_MXFP4 ? 1 : 2 + 2 * with_minimum + 4 * five), x);
  const vq bits = type == ba::W_Q5_1 ? first[1] : first[0] >> 16 | first[1] << 16;
  BA_UNROLL for (int j = 0; j < 4; j++) {
    vq q0 = low(x[j]), q1 = high(x[j]);
    if (five) {
      q0 |= fifth_of(bits, j);
      q1 |= fifth_of(bits, j + 4);
    }
    LaneTile::put(t, g, j, type == ba::W_MXFP4 ? mxfp4_halves(q0) : q0);
    LaneTile::put(t, g, j + 4, type == ba::W_MXFP4 ? mxfp4_halves(q1) : q1);
  }
  if (type == ba::W_MXFP4) {
    const vq e = first[0] & 0xff;
    const vqf power = (vqf)(e < 2 ? ((vq){} + 0x00200000) << e : (e - 1) << 23);
    return LaneTile::put(t, g, power, power * -12.0f);
  }
  LaneTile::put(t, g, d, with_minimum ? halves_of(first[0] >> 16) : d * (five ? -16.0f : -8.0f));
}

// The block of 256 whose first group is g.
BA_INLINE void unpack_lanes_q4_q5_k(bool five, const char *const *row, int64_t at, int64_t g, const LaneTile &t) {
  vq head[4], fifth[8];
  load_quads(row, at, head);
  const vqf d = halves_of(head[0]), dmin = -halves_of(head[0] >> 16);
  const vq scales[2] = {head[1] & 0x3f3f3f3f, low(head[3]) | (head[1] >> 6 & 0x03030303) << 4};
  const vq minima[2] = {head[2] & 0x3f3f3f3f, high(head[3]) | (head[2] >> 6 & 0x03030303) << 4};
  BA_UNROLL for (int i = 0; i < 8; i++)
    LaneTile::put(t, g + i, d * number_of(scales[i / 4], i % 4), dmin * number_of(minima[i / 4], i % 4));
  if (five) {
    load_quads(row, at + 16, fifth);
    load_quads(row, at + 32, fifth + 4);
  }
  for (int i = 0; i < 8; i++) {
    vq x[4];
    load_quads(row, at + (five ? 48 : 16) + 16 * i, x);
    const int group = i / 2 * 2;
    BA_UNROLL for (int j = 0; j < 4; j++) {
      const int quad = i % 2 * 4 + j;
      vq q0 = low(x[j]), q1 = high(x[j]);
      if (five) {
        q0 |= (fifth[quad] >> group & 0x01010101) << 4;
        q1 |= (fifth[quad] >> (group + 1) & 0x01010101) << 4;
      }
      LaneTile::put(t, g + group, quad, q0);
      LaneTile::put(t, g + group + 1, quad, q1);
    }
  }
}

BA_INLINE void unpack_lanes_q6_k(const char *const *row, int64_t at, int64_t g, const LaneTile &t) {
  vq scales[4], last[4], low_bits[4], high_bits[4];
  load_quads(row, at + 192, scales);
  load_quads(row, at + 194, last);
  const vqf d = halves_of(last[3] >> 16);
  BA_UNROLL for (int i = 0; i < 8; i++)
    LaneTile::put(t, g + i, d * signed_number_of(scales[i / 2], i % 2 * 2), d * signed_number_of(scales[i / 2], i % 2 * 2 + 1));
  // Of 128 elements: the low bits of groups 0 and 2 lie together, those of 1 and 3, and the high bits of all four.
  BA_UNROLL for (int i = 0; i < 4; i++) {
    const int half = i / 2, part = i % 2;
    load_quads(row, at + 128 + 32 * half + 16 * part, high_bits);
    BA_UNROLL for (int group = 0; group < 2; group++) {
      load_quads(row, at + 64 * half + 32 * group + 16 * part, low_bits);
      BA_UNROLL for (int j = 0; j < 4; j++) {
        vq q0 = low(low_bits[j]) | (high_bits[j] >> (2 * group) & 0x03030303) << 4;
        vq q1 = high(low_bits[j]) | (high_bits[j] >> (2 * group + 4) & 0x03030303) << 4;
#if !defined(BA_VNNI)
        q0 = (vq)((vqb)q0 - 32);
        q1 = (vq)((vqb)q1 - 32);
#endif
        LaneTile::put(t, g + 4 * half + group, part * 4 + j, q0);
        LaneTile::put(t, g + 4 * half + group + 2, part * 4 + j, q1);
      }
    }
  }
}

// `count` elements of each row, a multiple of the type's group. What lies `ahead` bytes further is asked for: so many rows
// are more streams than the hardware foresees.
template <int32_t TYPE>
static void unpack_lanes(const char *const *row, int32_t count, int64_t ahead, const LaneTile &t) {
  const Format f = format(TYPE);
  for (int32_t i = 0, at = 0; i < count; i += f.group, at += f.bytes) {
    for (int32_t b = 0; b < f.bytes; b += 64)
      BA_UNROLL for (int r = 0; r < LANES8; r++) __builtin_prefetch(row[r] + at + b + ahead);
    if (TYPE == ba::W_Q6_K)
      unpack_lanes_q6_k(row, at, i / 32, t);
    else if (TYPE == ba::W_Q4_K || TYPE == ba::W_Q5_K)
      unpack_lanes_q4_q5_k(TYPE == ba::W_Q5_K, row, at, i / 32, t);
    else
      unpack_lanes_32(TYPE, row, at, i / 32, t);
  }
}

#endif

}  // namespace
}  // namespace BA_NS
