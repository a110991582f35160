// Results lie by output with rows as lanes; they leave by row: a transposition, eight by eight in registers.
#pragma once
#include "vec.h"

namespace BA_NS {
namespace {

#if defined(__clang__) || __GNUC__ >= 12
typedef float v8 __attribute__((vector_size(32)));
typedef float v8_any __attribute__((vector_size(32), aligned(4), may_alias));

// to[row][8] from c[8][row], `stride` floats between the rows of c.
BA_INLINE void transpose8(const float *c, int64_t stride, float *to, int64_t to_stride) {
  v8 a[8], b[8];
  BA_UNROLL for (int i = 0; i < 8; i++) a[i] = *(const v8_any *)(c + i * stride);
  BA_UNROLL for (int i = 0; i < 4; i++) {
    b[2 * i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[2 * i + 1] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  BA_UNROLL for (int i = 0; i < 2; i++) BA_UNROLL for (int j = 0; j < 2; j++) {
    a[4 * i + 2 * j] = __builtin_shufflevector(b[4 * i + j], b[4 * i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
    a[4 * i + 2 * j + 1] = __builtin_shufflevector(b[4 * i + j], b[4 * i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  BA_UNROLL for (int i = 0; i < 4; i++) {
    *(v8_any *)(to + i * to_stride) = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(v8_any *)(to + (i + 4) * to_stride) = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
#else
BA_INLINE void transpose8(const float *c, int64_t stride, float *to, int64_t to_stride) {
  for (int i = 0; i < 8; i++)
    for (int j = 0; j < 8; j++) to[j * to_stride + i] = c[i * stride + j];
}
#endif

// c [outs][lanes], outs a multiple of 8, to y [rows][outs], rows <= lanes.
static void scatter(const float *c, int32_t lanes, int32_t outs, int32_t rows, float *y, int64_t y_row) {
  for (int32_t row = 0; row < rows; row += 8)
    for (int32_t o = 0; o < outs; o += 8) {
      const float *from = c + (int64_t)o * lanes + row;
      float *to = y + row * y_row + o;
      if (row + 8 <= rows)
        transpose8(from, lanes, to, y_row);
      else
        for (int32_t r = 0; r < rows - row; r++)
          for (int32_t i = 0; i < 8; i++) to[r * y_row + i] = from[(int64_t)i * lanes + r];
    }
}

}  // namespace
}  // namespace BA_NS
