// Rounding f32 to f16 and bf16 precision, to nearest even; numbers beyond the range become infinite, NaN stays NaN.
#pragma once
#include "types.h"

namespace BA_NS {
namespace {

BA_INLINE float round_to_half(float x) {
#if defined(__F16C__)
  return _cvtsh_ss(_cvtss_sh(x, 0));
#else
  const float magnitude = x < 0 ? -x : x;
  if (!(magnitude < 65520.0f)) return magnitude >= 65520.0f ? x * (float)1e38 * (float)1e38 : x;
  uint32_t bits;
  memcpy(&bits, &magnitude, 4);
  const uint32_t exponent = bits >> 23 < 113 ? 113 : bits >> 23;
  // Adding a power of two whose unit in the last place is a half's unit at this exponent rounds to that unit.
  const uint32_t shift_bits = (exponent + 13) << 23;
  float shift;
  memcpy(&shift, &shift_bits, 4);
  volatile float sum = magnitude + shift;
  const float rounded = sum - shift;
  return x < 0 ? -rounded : rounded;
#endif
}

BA_INLINE float round_to_bfloat(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return x;
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  memcpy(&x, &bits, 4);
  return x;
}

}  // namespace
}  // namespace BA_NS
