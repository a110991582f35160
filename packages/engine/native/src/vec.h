// Vectors at the width of the ISA this file is compiled for, in GCC/Clang vector extensions.
//
// Every translation unit that includes this is compiled once per ISA with its own BA_NS, and everything lives in an
// unnamed namespace: the linker must never pick the AVX-512 copy of an inline function for a caller on an older CPU.
// For the same reason no standard library template is used here.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__F16C__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef BA_NS
#error "compile with -DBA_NS=<isa>"
#endif
#define BA_QUOTE(x) #x
#define BA_TEXT(x) BA_QUOTE(x)

// 8 with AVX-512, for its 32 registers, is for CPUs that run a 512-bit operation as two of 256: there narrower vectors
// are as fast and waste fewer lanes.
#ifndef BA_LANES
#if defined(__AVX512F__)
#define BA_LANES 16
#elif defined(__AVX2__)
#define BA_LANES 8
#else
#define BA_LANES 4
#endif
#endif

#define BA_INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define BA_UNROLL _Pragma("unroll")
#else
#define BA_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__clang__) || __GNUC__ >= 12
#define BA_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define BA_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

namespace BA_NS {
namespace {

enum { L = BA_LANES };
#if defined(__AVX512VL__) || defined(__aarch64__)
enum { REGISTERS = 32 };
#else
enum { REGISTERS = 16 };
#endif

typedef float vf __attribute__((vector_size(L * 4)));
typedef int32_t vi __attribute__((vector_size(L * 4)));
typedef float vf_any __attribute__((vector_size(L * 4), aligned(4), may_alias));

template <typename T>
BA_INLINE T smaller(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
BA_INLINE T larger(T a, T b) {
  return a > b ? a : b;
}
BA_INLINE int32_t round_up(int32_t x, int32_t to) { return (x + to - 1) / to * to; }
// Thread ith of nth works on [share(ith), share(ith + 1)) of a total.
BA_INLINE int64_t share(int64_t total, int32_t ith, int32_t nth) { return total / nth * ith + total % nth * ith / nth; }
BA_INLINE int64_t align64(int64_t bytes) { return (bytes + 63) & ~INT64_C(63); }

BA_INLINE vf load(const float *p) { return *(const vf_any *)p; }
BA_INLINE void store(float *p, vf x) { *(vf_any *)p = x; }
BA_INLINE vf splat(float x) { return x - (vf){}; }
BA_INLINE vi splat(int32_t x) { return x - (vi){}; }
// Of two, the second where either is NaN. The masked forms of the intrinsics spare GCC's headers an uninitialised
// value.
BA_INLINE vf maximum(vf a, vf b) {
#if BA_LANES == 16
  return (vf)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif BA_LANES == 8
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

// Of numbers: NaN is not looked for.
BA_INLINE float max_lane(vf x) {
  float lanes[L];
  memcpy(lanes, &x, sizeof x);
  for (int width = L / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] = larger(lanes[i], lanes[i + width]);
  return lanes[0];
}
BA_INLINE float sum_lanes(vf x) {
  float lanes[L];
  memcpy(lanes, &x, sizeof x);
  for (int width = L / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  return lanes[0];
}

// 2^x for x <= 0, relative error below 2e-7; below 2^-100 the result stays there, which no sum of floats can see.
// Adding 1.5 * 2^23 + 127 rounds x to an integer and leaves that integer's biased exponent in the low bits. NaN stays
// NaN.
BA_INLINE vf exp2_nonpositive(vf x) {
  x = maximum(splat(-100.0f), x);  // in this order NaN passes through
  const vf shifted = x + splat(12583039.0f);
  const vf f = x - (shifted - splat(12583039.0f));
  vf p = splat(1.326472707e-3f);
  p = p * f + splat(9.671512649e-3f);
  p = p * f + splat(5.550733744e-2f);
  p = p * f + splat(2.402224209e-1f);
  p = p * f + splat(6.931469776e-1f);
  p = p * f + splat(1.0f);
  return p * (vf)((vi)shifted << 23);
}
BA_INLINE float exp2_nonpositive(float x) { return exp2_nonpositive(splat(x))[0]; }

// Absolute error below 4e-7. NaN stays NaN.
BA_INLINE vf tanh_of(vf x) {
  const vi sign = (vi)x & splat(INT32_MIN);
  const vf e = exp2_nonpositive((vf)((vi)x & splat(INT32_MAX)) * splat(-2.88539008f));
  return (vf)((vi)((splat(1.0f) - e) / (splat(1.0f) + e)) | sign);
}

// --- pairs of lanes ----------------------------------------------------------------------------------------------

// Every lane of the lower or upper half twice; lanes 2i and 2i + 1 exchanged; lanes 2i with the other sign.
#if BA_LANES == 16
BA_INLINE vf twice_low(vf x) { return BA_SHUFFLE(x, x, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7); }
BA_INLINE vf twice_high(vf x) { return BA_SHUFFLE(x, x, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15); }
BA_INLINE vf swap_pairs(vf x) { return BA_SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14); }
BA_INLINE vf turned(vf x) { return x * (vf){-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1}; }
#elif BA_LANES == 8
BA_INLINE vf twice_low(vf x) { return BA_SHUFFLE(x, x, 0, 0, 1, 1, 2, 2, 3, 3); }
BA_INLINE vf twice_high(vf x) { return BA_SHUFFLE(x, x, 4, 4, 5, 5, 6, 6, 7, 7); }
BA_INLINE vf swap_pairs(vf x) { return BA_SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6); }
BA_INLINE vf turned(vf x) { return x * (vf){-1, 1, -1, 1, -1, 1, -1, 1}; }
#else
BA_INLINE vf twice_low(vf x) { return BA_SHUFFLE(x, x, 0, 0, 1, 1); }
BA_INLINE vf twice_high(vf x) { return BA_SHUFFLE(x, x, 2, 2, 3, 3); }
BA_INLINE vf swap_pairs(vf x) { return BA_SHUFFLE(x, x, 1, 0, 3, 2); }
BA_INLINE vf turned(vf x) { return x * (vf){-1, 1, -1, 1}; }
#endif

// --- horizontal sums of many vectors at once ---------------------------------------------------------------------

// Four vectors to one: each group of four lanes of the result holds the partial sums of a, b, c, d over that group.
#if BA_LANES == 16
BA_INLINE vf interleave_add(vf a, vf b) {
  return BA_SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
         BA_SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}
BA_INLINE vf pair_add(vf a, vf b) {
  return BA_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
         BA_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
}
BA_INLINE vf group_add(vf a, vf b) {
  return BA_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
         BA_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
BA_INLINE vf join_groups(const vf *u) { return group_add(group_add(u[0], u[1]), group_add(u[2], u[3])); }
#elif BA_LANES == 8
BA_INLINE vf interleave_add(vf a, vf b) {
  return BA_SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13) + BA_SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}
BA_INLINE vf pair_add(vf a, vf b) {
  return BA_SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + BA_SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
BA_INLINE vf join_groups(const vf *u) {
  return BA_SHUFFLE(u[0], u[1], 0, 1, 2, 3, 8, 9, 10, 11) + BA_SHUFFLE(u[0], u[1], 4, 5, 6, 7, 12, 13, 14, 15);
}
#else
BA_INLINE vf interleave_add(vf a, vf b) { return BA_SHUFFLE(a, b, 0, 4, 1, 5) + BA_SHUFFLE(a, b, 2, 6, 3, 7); }
BA_INLINE vf pair_add(vf a, vf b) { return BA_SHUFFLE(a, b, 0, 1, 4, 5) + BA_SHUFFLE(a, b, 2, 3, 6, 7); }
BA_INLINE vf join_groups(const vf *u) { return u[0]; }
#endif
BA_INLINE vf fold4(vf a, vf b, vf c, vf d) { return pair_add(interleave_add(a, b), interleave_add(c, d)); }

// Asks for memory that will be read, line by line. It need not exist.
BA_INLINE void prefetch(const char *at, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

}  // namespace
}  // namespace BA_NS
