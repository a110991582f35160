// Weights of one output as they lie, unpacked for a row of x that meets them: 128 at a time, four groups of 32.
//
// Nothing is transposed: where outputs_unpack.h shares a tile among rows, here every weight is read for one product, and
// memory is read from its start to its end. AVX-512 VNNI.
#pragma once
#include "rows_int8.h"

#if defined(__AVX512VNNI__)

namespace BA_NS {
namespace {

enum { PART = 128 };  // weights unpacked at a time

// Sixteen bytes of each group lie behind each other: the first halves of four groups, then the second ones.
struct PartWeights {
  __m512i w[2];      // without a sign
  __m512 scale[2];   // by half, of four lanes for each group; the second one of Q6_K alone
  __m512 minimum;    // of the types that have one
};

constexpr bool has_minimum(int32_t type) {
  return type == ba::W_Q4_1 || type == ba::W_Q5_1 || type == ba::W_Q4_K || type == ba::W_Q5_K;
}
// What is added to weights so that they have no sign.
constexpr int32_t lifted_by(int32_t type) {
  return type == ba::W_Q8_0   ? 128
         : type == ba::W_Q6_K ? 32
         : type == ba::W_Q5_0 ? 16
         : type == ba::W_MXFP4 ? 12
         : type == ba::W_Q4_0  ? 8
                               : 0;
}
// Whether each half of a group has a scale of its own.
constexpr bool has_halves(int32_t type) { return type == ba::W_Q6_K; }

BA_INLINE uint32_t word_at(const char *p) {
  uint32_t x;
  memcpy(&x, p, 4);
  return x;
}
BA_INLINE __m128i sixteen_at(const char *p) { return _mm_loadu_si128((const __m128i *)p); }

BA_INLINE __m512i low_bits(__m512i x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
BA_INLINE __m512i high_bits(__m512i x) { return low_bits(_mm512_srli_epi16(x, 4)); }

// Numbers FIRST to FIRST + 3, in four lanes each.
template <int FIRST>
BA_INLINE __m512 four_lanes_each(__m256 x) {
  const __m512i index = _mm512_setr_epi32(FIRST, FIRST, FIRST, FIRST, FIRST + 1, FIRST + 1, FIRST + 1, FIRST + 1,
                                          FIRST + 2, FIRST + 2, FIRST + 2, FIRST + 2, FIRST + 3, FIRST + 3, FIRST + 3,
                                          FIRST + 3);
  return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(x));
}

// --- groups of 32 by themselves ----------------------------------------------------------------------------------

// Four groups as two vectors, and where in them words of each group are: numbers of permutex2var.
template <int BYTES>
struct FourGroups {
  // Bytes 0 to 63, and the last ones as the beginning of a vector: two vectors of which each lies in two lines of the cache
  // take twice the time.
  __m512i first, last;
  static constexpr int last_bytes = BYTES <= 20 ? 16 : 32, last_at = 4 * BYTES - last_bytes;

  // The number of byte `b` of all, as permutex2var_epi8 and, of pairs, permutex2var_epi16 would number it.
  static constexpr int place(int b) { return b < 64 ? b : b - last_at + 64; }
};

template <int BYTES>
BA_INLINE FourGroups<BYTES> four_groups(const char *p) {
  typedef FourGroups<BYTES> Own;
  const char *last = p + Own::last_at;
  return {_mm512_loadu_si512(p), Own::last_bytes == 16 ? _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)last))
                                                       : _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)last))};
}
// `count` groups, of which nothing behind the last one is read; zeros for the others.
template <int BYTES>
BA_INLINE FourGroups<BYTES> some_groups(const char *p, int count) {
  constexpr int skipped = FourGroups<BYTES>::last_at;
  const auto mask = [](int bytes) { return bytes >= 64 ? ~UINT64_C(0) : bytes <= 0 ? 0 : (UINT64_C(1) << bytes) - 1; };
  return {_mm512_maskz_loadu_epi8((__mmask64)mask(count * BYTES), p),
          _mm512_maskz_loadu_epi8((__mmask64)mask(count * BYTES - skipped), p + skipped)};
}

// `words` words of each group from byte AT on, group by group, from lane `lane` on; lanes besides are left as they are.
struct Words {
  alignas(64) int16_t lane[32];
};
template <int BYTES>
constexpr void put_words(Words &to, int lane, int at, int words, int repeat) {
  for (int g = 0; g < 4; g++)
    for (int w = 0; w < words * repeat; w++)
      to.lane[lane + g * words * repeat + w] = (int16_t)(FourGroups<BYTES>::place(g * BYTES + at + 2 * (w % words)) / 2);
}

// Where the parts of a group lie: each constant for a type whose groups begin at even bytes.
template <int32_t TYPE>
struct Layout32 {
  static constexpr int bytes = format(TYPE).bytes;
  static constexpr bool five = TYPE == ba::W_Q5_0 || TYPE == ba::W_Q5_1;
  static constexpr int bits = has_minimum(TYPE) ? 4 : 2, numbers = bits + 4 * five;
  // Sixteen bytes of numbers each.
  static constexpr Words make_numbers() {
    Words w = {};
    put_words<bytes>(w, 0, numbers, 8, 1);
    return w;
  }
  // The scale, four times each; then the minimum.
  static constexpr Words make_scales() {
    Words w = {};
    put_words<bytes>(w, 0, 0, 1, 4);
    if (has_minimum(TYPE)) put_words<bytes>(w, 16, 2, 1, 4);
    return w;
  }
  // The fifth bits: of the first halves, then of the second ones.
  static constexpr Words make_fifths() {
    Words w = {};
    if (five) put_words<bytes>(w, 0, bits, 1, 1), put_words<bytes>(w, 4, bits + 2, 1, 1);
    return w;
  }
  static constexpr Words number_words = make_numbers(), scale_words = make_scales(), fifth_words = make_fifths();
};

template <int BYTES>
BA_INLINE __m512i words_of(const FourGroups<BYTES> &groups, const Words &words) {
  return _mm512_permutex2var_epi16(groups.first, _mm512_load_si512(words.lane), groups.last);
}

// Q4_0, Q4_1, Q5_0, Q5_1.
template <int32_t TYPE>
BA_INLINE void unpack_words(const FourGroups<format(TYPE).bytes> &groups, PartWeights *to) {
  typedef Layout32<TYPE> Own;
  const __m512i x = words_of(groups, Own::number_words), scales = words_of(groups, Own::scale_words);
  to->w[0] = low_bits(x);
  to->w[1] = high_bits(x);
  to->scale[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(scales));
  if (has_minimum(TYPE)) to->minimum = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(scales, 1));
  if (!Own::five) return;
  const __m128i bits = _mm512_castsi512_si128(words_of(groups, Own::fifth_words));
  // Bit i of 64 as the fifth bit of byte i.
  to->w[0] = _mm512_or_si512(to->w[0], _mm512_maskz_set1_epi8((__mmask64)_mm_cvtsi128_si64(bits), 16));
  to->w[1] = _mm512_or_si512(to->w[1], _mm512_maskz_set1_epi8((__mmask64)_mm_extract_epi64(bits, 1), 16));
}

// Sixteen bytes of each of four groups.
BA_INLINE __m512i sixteen_each(const char *p, int bytes, int count) {
  __m512i x = _mm512_castsi128_si512(sixteen_at(p));
  if (count > 1) x = _mm512_inserti32x4(x, sixteen_at(p + bytes), 1);
  if (count > 2) x = _mm512_inserti32x4(x, sixteen_at(p + 2 * bytes), 2);
  return count > 3 ? _mm512_inserti32x4(x, sixteen_at(p + 3 * bytes), 3) : x;
}

// Q8_0: `count` groups; what stands for the others meets zeros.
BA_INLINE void unpack_bytes(const char *p, int count, PartWeights *to) {
  constexpr int bytes = format(ba::W_Q8_0).bytes;
  // -128, which has no negative, is read as -127.
  BA_UNROLL for (int half = 0; half < 2; half++) to->w[half] = _mm512_max_epu8(
      _mm512_xor_si512(sixteen_each(p + 2 + 16 * half, bytes, count), _mm512_set1_epi8(-128)), _mm512_set1_epi8(1));
  uint64_t scales = 0;
  BA_UNROLL for (int g = 0; g < 4; g++) {
    uint16_t scale = 0;
    if (g < count) memcpy(&scale, p + g * bytes, 2);
    scales |= (uint64_t)scale << 16 * g;
  }
  to->scale[0] = four_lanes_each<0>(_mm256_castps128_ps256(_mm_cvtph_ps(_mm_cvtsi64_si128((int64_t)scales))));
}

// MXFP4: likewise.
BA_INLINE void unpack_mxfp4(const char *p, int count, PartWeights *to) {
  constexpr int bytes = format(ba::W_MXFP4).bytes;
  const __m512i x = sixteen_each(p + 1, bytes, count);
  // Twice each number, lifted by 12.
  const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  to->w[0] = _mm512_shuffle_epi8(table, low_bits(x));
  to->w[1] = _mm512_shuffle_epi8(table, high_bits(x));
  const auto exponent = [&](int g) { return (int32_t)(uint8_t)p[g < count ? g * bytes : 0]; };
  const __m128i e = _mm_setr_epi32(exponent(0), exponent(1), exponent(2), exponent(3));
  const __m128i small = _mm_sllv_epi32(_mm_set1_epi32(0x00200000), e);
  const __m128i power = _mm_slli_epi32(_mm_sub_epi32(e, _mm_set1_epi32(1)), 23);
  const __m128i both = _mm_blendv_epi8(power, small, _mm_cmplt_epi32(e, _mm_set1_epi32(2)));
  to->scale[0] = four_lanes_each<0>(_mm256_castps128_ps256(_mm_castsi128_ps(both)));
}

// Four groups of 32, or the last ones of a row.
template <int32_t TYPE>
BA_INLINE void unpack_part_32(const char *p, int count, PartWeights *to) {
  if constexpr (TYPE == ba::W_Q8_0) {
    unpack_bytes(p, count, to);
  } else if constexpr (TYPE == ba::W_MXFP4) {
    unpack_mxfp4(p, count, to);
  } else {
    constexpr int bytes = format(TYPE).bytes;
    unpack_words<TYPE>(count == 4 ? four_groups<bytes>(p) : some_groups<bytes>(p, count), to);
  }
}

// --- blocks of 256 -----------------------------------------------------------------------------------------------

// Bits at `shift` of sixteen bytes for each group, moved to the place of the fifth bit.
BA_INLINE __m512i bits_of_groups(const char *p, __m512i shift, int32_t mask) {
  const __m512i all = _mm512_broadcast_i32x4(sixteen_at(p));
  return _mm512_slli_epi32(_mm512_and_si512(_mm512_srlv_epi32(all, shift), _mm512_set1_epi32(mask)), 4);
}
BA_INLINE __m512i by_group(int32_t a, int32_t b, int32_t c, int32_t d) {
  return _mm512_setr_epi32(a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d);
}
// Two halves as numbers, each in all lanes.
struct TwoHalves {
  __m256 first, second;
};
BA_INLINE TwoHalves halves_as_floats(uint32_t both) {
  const __m128 x = _mm_cvtph_ps(_mm_cvtsi32_si128((int32_t)both));
  return {_mm256_broadcastss_ps(x), _mm256_broadcastss_ps(_mm_movehdup_ps(x))};
}
BA_INLINE __m256 unsigned_bytes(uint64_t eight) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)eight)));
}
// Of numbers of 6 bits as k-quants pack them: the low ones of four, then the low and the high bits of the other four.
BA_INLINE uint64_t six_bits(uint32_t first, uint32_t low) {
  return (first & 0x3f3f3f3f) | (uint64_t)((low & 0x0f0f0f0f) | (first >> 6 & 0x03030303) << 4) << 32;
}

template <int32_t TYPE>
BA_INLINE void unpack_q4_q5_k(const char *block, PartWeights to[2]) {
  const uint32_t s0 = word_at(block + 4), s1 = word_at(block + 8), s2 = word_at(block + 12);
  const TwoHalves d = halves_as_floats(word_at(block));
  const __m256 scales = _mm256_mul_ps(d.first, unsigned_bytes(six_bits(s0, s2)));
  const __m256 minima = _mm256_mul_ps(_mm256_sub_ps(_mm256_setzero_ps(), d.second), unsigned_bytes(six_bits(s1, s2 >> 4)));
  to[0].scale[0] = four_lanes_each<0>(scales);
  to[1].scale[0] = four_lanes_each<4>(scales);
  to[0].minimum = four_lanes_each<0>(minima);
  to[1].minimum = four_lanes_each<4>(minima);
  BA_UNROLL for (int part = 0; part < 2; part++) {
    const __m512i x = _mm512_loadu_si512(block + (TYPE == ba::W_Q5_K ? 48 : 16) + 64 * part);
    const __m512i low = low_bits(x), high = high_bits(x);
    to[part].w[0] = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high);
    to[part].w[1] = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), high);
    if (TYPE != ba::W_Q5_K) continue;
    const __m512i shift = by_group(4 * part, 4 * part + 1, 4 * part + 2, 4 * part + 3);
    BA_UNROLL for (int half = 0; half < 2; half++) to[part].w[half] =
        _mm512_or_si512(to[part].w[half], bits_of_groups(block + 16 + 16 * half, shift, 0x01010101));
  }
}

BA_INLINE void unpack_q6_k(const char *block, PartWeights to[2]) {
  uint16_t half_d;
  memcpy(&half_d, block + 208, 2);
  const __m256 d = halves_as_floats(half_d).first;
  // Of each group the scale of its first half, then of its second one.
  const __m128i bytes = _mm_shuffle_epi8(sixteen_at(block + 192),
                                         _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
  const __m512 scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
  BA_UNROLL for (int half = 0; half < 2; half++) {
    const __m256 own = _mm256_mul_ps(d, half == 0 ? _mm512_castps512_ps256(scales) : _mm512_extractf32x8_ps(scales, 1));
    to[0].scale[half] = four_lanes_each<0>(own);
    to[1].scale[half] = four_lanes_each<4>(own);
  }
  BA_UNROLL for (int part = 0; part < 2; part++) {
    const __m512i x = _mm512_loadu_si512(block + 64 * part);
    const __m512i low = low_bits(x), high = high_bits(x);
    to[part].w[0] = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), high);
    to[part].w[1] = _mm512_permutex2var_epi64(low, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), high);
    BA_UNROLL for (int half = 0; half < 2; half++) to[part].w[half] = _mm512_or_si512(
        to[part].w[half], bits_of_groups(block + 128 + 32 * part + 16 * half, by_group(0, 2, 4, 6), 0x03030303));
  }
}

// A block, as two parts.
template <int32_t TYPE>
BA_INLINE void unpack_block_256(const char *block, PartWeights to[2]) {
  if constexpr (TYPE == ba::W_Q6_K)
    unpack_q6_k(block, to);
  else
    unpack_q4_q5_k<TYPE>(block, to);
}

}  // namespace
}  // namespace BA_NS

#endif
