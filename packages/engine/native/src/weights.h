// How ggml stores weights, and those that are floats as f32. Quantised ones are read by outputs_unpack.h.
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

constexpr Format format(int32_t type) {
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
