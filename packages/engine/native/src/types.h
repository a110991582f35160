// Reading stored K and V: f32, f16 and q8_0 (groups of a f16 scale and 32 int8) as vectors of f32.
//
// A reader's `load(row, i, x)` gives elements [i, i + STEP) of a row that starts at `row`; i is a multiple of STEP;
// BYTES is what STEP elements take.
// `tail` gives the first `count` < STEP of them and zeros, and takes nothing beyond them for a number. q8_0 rows are
// whole groups: there a tail is read to the end, finite numbers whatever the bytes are.
#pragma once
#include "block_attention.h"
#include "vec.h"

namespace BA_NS {
namespace {

enum { GROUP = 32, GROUP_BYTES = 34 };

BA_INLINE int64_t row_bytes(int32_t type, int64_t elements) {
  return type == BA_F32 ? elements * 4 : type == BA_F16 ? elements * 2 : elements / GROUP * GROUP_BYTES;
}

BA_INLINE float half_to_float(uint16_t h) {
#if defined(__F16C__)
  return _cvtsh_ss(h);
#else
  const uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
  float x;
  memcpy(&x, &magnitude, 4);
  x *= 0x1p112f;  // moves the exponent bias, and normalises subnormals
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((h & 0x7c00) == 0x7c00) bits |= 0x7f800000;
  bits |= (uint32_t)(h & 0x8000) << 16;
  memcpy(&x, &bits, 4);
  return x;
#endif
}

BA_INLINE vf load_halves(const char *p) {
#if BA_LANES == 16
  return (vf)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i *)p));
#elif BA_LANES == 8
  return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#elif defined(__aarch64__)
  uint16x4_t h;
  memcpy(&h, p, 8);
  return (vf)vcvt_f32_f16(vreinterpret_f16_u16(h));
#else
  uint16_t h[L];
  memcpy(h, p, sizeof h);
  vi wide;
  for (int i = 0; i < L; i++) wide[i] = h[i];
  const vi bits = (vi)((vf)((wide & 0x7fff) << 13) * splat(0x1p112f));
  const vi special = ((wide & 0x7c00) == 0x7c00) & 0x7f800000;
  return (vf)(bits | special | ((wide & 0x8000) << 16));
#endif
}

BA_INLINE vf load_bytes(const char *p) {
#if BA_LANES == 16
  return (vf)_mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i *)p)));
#elif BA_LANES == 8
  return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#else
  int8_t b[L];
  memcpy(b, p, sizeof b);
  vf x;
  for (int i = 0; i < L; i++) x[i] = b[i];
  return x;
#endif
}

struct F32 {
  enum { STEP = L, BYTES = STEP * 4 };
  BA_INLINE void load(const char *row, int i, vf *x) { memcpy(x, row + (size_t)i * 4, sizeof *x); }
  BA_INLINE void tail(const char *row, int i, int count, vf *x) {
    float part[L] = {};
    memcpy(part, row + (size_t)i * 4, (size_t)count * 4);
    *x = BA_NS::load(part);
  }
};

struct F16 {
  enum { STEP = L, BYTES = STEP * 2 };
  BA_INLINE void load(const char *row, int i, vf *x) { *x = load_halves(row + (size_t)i * 2); }
  BA_INLINE void tail(const char *row, int i, int count, vf *x) {
    char part[L * 2] = {};
    memcpy(part, row + (size_t)i * 2, (size_t)count * 2);
    *x = load_halves(part);
  }
};

struct Q8 {
  enum { STEP = GROUP, BYTES = GROUP_BYTES };
  BA_INLINE void load(const char *row, int i, vf *x) {
    const char *group = row + (size_t)(i / GROUP) * GROUP_BYTES;
    uint16_t scale;
    memcpy(&scale, group, 2);
    const vf factor = splat(half_to_float(scale));
    for (int j = 0; j < GROUP / L; j++) x[j] = load_bytes(group + 2 + j * L) * factor;
  }
  BA_INLINE void tail(const char *row, int i, int, vf *x) { load(row, i, x); }
};

// Elements [i0, i0 + count) of a row to f32, zero-filled to a multiple of T::STEP; i0 is a multiple of GROUP.
template <class T>
BA_INLINE void convert_row(const char *row, int i0, int count, float *to) {
  vf x[T::STEP / L];
  int i = 0;
  for (; i + T::STEP <= count; i += T::STEP) {
    T::load(row, i0 + i, x);
    for (int j = 0; j < T::STEP / L; j++) store(to + i + j * L, x[j]);
  }
  if (i < count) {
    T::tail(row, i0 + i, count - i, x);
    for (int j = 0; j < T::STEP / L; j++) store(to + i + j * L, x[j]);
  }
}

}  // namespace
}  // namespace BA_NS
