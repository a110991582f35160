// Reading stored weights: ggml's group formats as unsigned or signed bytes with scales, and everything as f32.
//
// A tile holds `outs` rows of up to TILE_K elements: bytes [out][TILE_K]; per group of 32 and output one scale and one
// minimum (w = scale * q + minimum), or two scales, of the group's halves.
#pragma once
#include "linear.h"
#include "types.h"

namespace BA_NS {
namespace {

enum { SUPER = 256 };  // elements of a k-quant's block

struct Format {
  int32_t group;        // elements that lie together
  int32_t bytes;        // of such a group
  bool integer;         // multiplied as int8; otherwise as f32
};

BA_INLINE Format format(int32_t type) {
  switch (type) {
    case ba::W_F32: return {1, 4, false};
    case ba::W_F16:
    case ba::W_BF16: return {1, 2, false};
    case ba::W_Q4_0: return {32, 18, true};
    case ba::W_Q4_1: return {32, 20, true};
    case ba::W_Q5_0: return {32, 22, true};
    case ba::W_Q5_1: return {32, 24, true};
    case ba::W_Q8_0: return {32, 34, true};
    case ba::W_MXFP4: return {32, 17, true};
    case ba::W_Q4_K: return {SUPER, 144, true};
    case ba::W_Q5_K: return {SUPER, 176, true};
    case ba::W_Q6_K: return {SUPER, 210, true};
    default: return {0, 0, false};
  }
}

BA_INLINE float half_at(const uint8_t *p) {
  uint16_t h;
  memcpy(&h, p, 2);
  return half_to_float(h);
}

// --- groups of 32: bytes, scale, minimum -------------------------------------------------------------------------

// Sixteen bytes of nibbles: the low ones are elements 0..15, the high ones 16..31.
BA_INLINE void nibbles(const uint8_t *p, uint8_t *q) {
  typedef uint8_t bytes __attribute__((vector_size(16)));
  bytes x, low;
  memcpy(&x, p, 16);
  low = x & 15;
  x = x >> 4;
  memcpy(q, &low, 16);
  memcpy(q + 16, &x, 16);
}

// Bit i of four bytes becomes bit 4 of element i.
BA_INLINE void fifth_bits(const uint8_t *p, uint8_t *q) {
  for (int byte = 0; byte < 4; byte++) {
    // Eight copies of the byte, each keeping its own bit, which a carry then moves to bit 7.
    uint64_t bits = p[byte] * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201), x;
    bits = (bits + UINT64_C(0x00406070787c7e7f)) & UINT64_C(0x8080808080808080);
    memcpy(&x, q + byte * 8, 8);
    x |= bits >> 3;
    memcpy(q + byte * 8, &x, 8);
  }
}

// A power of two by its biased exponent, halved: twelve halves are the largest number of four bits.
BA_INLINE float half_power(uint8_t exponent) {
  const uint32_t bits = exponent < 2 ? UINT32_C(0x00200000) << exponent : (uint32_t)(exponent - 1) << 23;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// Four-bit floats as halves, 12 added.
BA_INLINE void unpack_mxfp4(const uint8_t *p, uint8_t *q, float *scale, float *minimum) {
  static const uint8_t halves[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
#if defined(__AVX2__)
  const __m128i table = _mm_loadu_si128((const __m128i *)halves), x = _mm_loadu_si128((const __m128i *)(p + 1));
  const __m128i mask = _mm_set1_epi8(15);
  _mm_storeu_si128((__m128i *)q, _mm_shuffle_epi8(table, _mm_and_si128(x, mask)));
  _mm_storeu_si128((__m128i *)(q + 16), _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(x, 4), mask)));
#else
  for (int i = 0; i < 16; i++) {
    q[i] = halves[p[1 + i] & 15];
    q[16 + i] = halves[p[1 + i] >> 4];
  }
#endif
  *scale = half_power(*p);
  *minimum = -12 * *scale;
}

BA_INLINE void unpack_group(int32_t type, const uint8_t *p, uint8_t *q, float *scale, float *minimum) {
  if (type == ba::W_MXFP4) return unpack_mxfp4(p, q, scale, minimum);
  const float d = half_at(p);
  *scale = d;
  switch (type) {
    case ba::W_Q4_0:
      nibbles(p + 2, q);
      *minimum = -8 * d;
      break;
    case ba::W_Q4_1:
      nibbles(p + 4, q);
      *minimum = half_at(p + 2);
      break;
    case ba::W_Q5_0:
      nibbles(p + 6, q);
      fifth_bits(p + 2, q);
      *minimum = -16 * d;
      break;
    case ba::W_Q5_1:
      nibbles(p + 8, q);
      fifth_bits(p + 4, q);
      *minimum = half_at(p + 2);
      break;
    default:  // Q8_0. -128, which no quantiser writes, has no negative in a byte and is read as -127.
      for (int i = 0; i < 32; i++) q[i] = p[2 + i] == 0x80 ? 0x81 : p[2 + i];
      *minimum = 0;
  }
}

// --- blocks of 256 -----------------------------------------------------------------------------------------------

// The i-th of eight 6-bit scales and minima in twelve bytes.
BA_INLINE void scale_and_minimum(const uint8_t *p, int i, int *scale, int *minimum) {
  if (i < 4) {
    *scale = p[i] & 63;
    *minimum = p[i + 4] & 63;
  } else {
    *scale = (p[i + 4] & 15) | (p[i - 4] >> 6) << 4;
    *minimum = p[i + 4] >> 4 | (p[i] >> 6) << 4;
  }
}

BA_INLINE void unpack_q4_q5_k(bool five, const uint8_t *p, uint8_t *q, float *scale, float *minimum) {
  const float d = half_at(p), dmin = half_at(p + 2);
  const uint8_t *high = p + 16, *low = p + (five ? 48 : 16);
  for (int g = 0; g < 8; g++) {
    int s, m;
    scale_and_minimum(p + 4, g, &s, &m);
    scale[g] = d * (float)s;
    minimum[g] = -dmin * (float)m;
    const uint8_t *from = low + g / 2 * 32;
    for (int i = 0; i < 32; i++) {
      int x = g % 2 ? from[i] >> 4 : from[i] & 15;
      if (five) x |= (high[i] >> g & 1) << 4;
      q[g * 32 + i] = (uint8_t)x;
    }
  }
}

// Signed; scale and `second` are those of the first and the second half of each group of 32.
BA_INLINE void unpack_q6_k(const uint8_t *p, uint8_t *q, float *scale, float *second) {
  const float d = half_at(p + 208);
  const int8_t *scales = (const int8_t *)p + 192;
  for (int g = 0; g < 8; g++) {
    const uint8_t *low = p + g / 4 * 64 + g % 2 * 32, *high = p + 128 + g / 4 * 32;
    const int low_shift = g % 4 / 2 * 4, high_shift = g % 4 * 2;
    for (int i = 0; i < 32; i++)
      q[g * 32 + i] = (uint8_t)(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
    scale[g] = d * (float)scales[2 * g];
    second[g] = d * (float)scales[2 * g + 1];
  }
}

// `count` elements of a row, a multiple of the type's group, to bytes, scales and minima (or second scales).
static void unpack_bytes(int32_t type, const char *row, int32_t count, uint8_t *q, float *scale, float *minimum) {
  const uint8_t *p = (const uint8_t *)row;
  const Format f = format(type);
  for (int32_t i = 0; i < count; i += f.group, p += f.bytes) {
    float *s = scale + i / 32, *m = minimum + i / 32;
    if (type == ba::W_Q6_K)
      unpack_q6_k(p, q + i, s, m);
    else if (type == ba::W_Q4_K || type == ba::W_Q5_K)
      unpack_q4_q5_k(type == ba::W_Q5_K, p, q + i, s, m);
    else
      unpack_group(type, p, q + i, s, m);
  }
}

// `count` elements of a row of f32, f16 or bf16 from element i on.
static void unpack_floats(int32_t type, const char *row, int32_t i, int32_t count, float *to) {
  if (type == ba::W_F32) {
    memcpy(to, row + (size_t)i * 4, (size_t)count * 4);
  } else if (type == ba::W_F16) {
    const char *from = row + (size_t)i * 2;
    int32_t j = 0;
    for (; j + L <= count; j += L) store(to + j, load_halves(from + (size_t)j * 2));
    for (; j < count; j++) to[j] = half_at((const uint8_t *)from + (size_t)j * 2);
  } else {
    for (int32_t j = 0; j < count; j++) {
      uint16_t h;
      memcpy(&h, row + (size_t)(i + j) * 2, 2);
      const uint32_t bits = (uint32_t)h << 16;
      memcpy(to + j, &bits, 4);
    }
  }
}

}  // namespace
}  // namespace BA_NS
