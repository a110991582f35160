// Four rows transposed in registers.
#pragma once
#include "vec.h"

namespace BA_NS {
namespace {

typedef float floats4 __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__) || __GNUC__ >= 12
#define BA_SHUFFLE4(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t indexes4 __attribute__((vector_size(16)));
#define BA_SHUFFLE4(a, b, ...) __builtin_shuffle(a, b, (indexes4){__VA_ARGS__})
#endif

// to[p][W] = rows[r][p] for r < 4 and p < np: four rows of a panel.
template <int W>
BA_INLINE void transpose_four(const float *const *rows, int np, float *to) {
  int p = 0;
  for (; p + 4 <= np; p += 4, to += 4 * W) {
    const floats4 a = *(const floats4 *)(rows[0] + p), b = *(const floats4 *)(rows[1] + p);
    const floats4 c = *(const floats4 *)(rows[2] + p), d = *(const floats4 *)(rows[3] + p);
    const floats4 ab = BA_SHUFFLE4(a, b, 0, 4, 1, 5), ab_high = BA_SHUFFLE4(a, b, 2, 6, 3, 7);
    const floats4 cd = BA_SHUFFLE4(c, d, 0, 4, 1, 5), cd_high = BA_SHUFFLE4(c, d, 2, 6, 3, 7);
    *(floats4 *)to = BA_SHUFFLE4(ab, cd, 0, 1, 4, 5);
    *(floats4 *)(to + W) = BA_SHUFFLE4(ab, cd, 2, 3, 6, 7);
    *(floats4 *)(to + 2 * W) = BA_SHUFFLE4(ab_high, cd_high, 0, 1, 4, 5);
    *(floats4 *)(to + 3 * W) = BA_SHUFFLE4(ab_high, cd_high, 2, 3, 6, 7);
  }
  for (; p < np; p++, to += W)
    for (int r = 0; r < 4; r++) to[r] = rows[r][p];
}

}  // namespace
}  // namespace BA_NS
