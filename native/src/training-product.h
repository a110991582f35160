// The three products of a linear layer. Threads share out the longer side of the result and need no barrier.
#pragma once
#include "gemm.h"
#include "tensor.h"
#include "thread-scratch.h"
#include "training.h"

namespace BA_NS {
namespace {

struct Operand {
  Matrix matrix;
  bool across;
};

// [first, last) of `total` for a thread, at multiples of `step`.
BA_INLINE int64_t portion(int64_t total, int64_t step, int ith, int nth) {
  const int64_t steps = (total + step - 1) / step;
  return smaller(steps * ith / nth * step, total);
}

static void product(ggml_tensor *dst, int ith, int nth, const ba_training_matrix &op) {
  const ggml_tensor *x = dst->src[0], *y = dst->src[1];
  const Matrix first = {(const char *)x->data, (int64_t)x->nb[1], op.to_float ? op.block_elements : 1,
                        op.to_float ? op.block_bytes : (int64_t)sizeof(float), op.to_float};
  const Matrix second = plain((const float *)y->data, (int64_t)(y->nb[1] / sizeof(float)));
  const bool back_to_weights = op.product == BA_BACK_TO_WEIGHTS;
  // A's rows lie along the depth in the forward product only, B's in all but the gradient of the weights.
  const Operand a = {first, op.product == BA_FORWARD}, b = {second, !back_to_weights};
  const int64_t m = dst->ne[0], n = dst->ne[1], ldc = (int64_t)(dst->nb[1] / sizeof(float));
  const int64_t depth = back_to_weights ? x->ne[1] : op.product == BA_FORWARD ? x->ne[0] : x->ne[1];
  float *c = (float *)dst->data;

  const bool by_rows = !op.to_float && m >= 2 * n;
  const int64_t i0 = by_rows ? portion(m, MR, ith, nth) : 0, i1 = by_rows ? portion(m, MR, ith + 1, nth) : m;
  const int64_t j0 = by_rows ? 0 : portion(n, NR, ith, nth), j1 = by_rows ? n : portion(n, NR, ith + 1, nth);
  if (i0 >= i1 || j0 >= j1) return;
  float *scratch = thread_scratch.take((int64_t)(MC + MR) * KC + (int64_t)(NC + NR) * KC + MC + 4 * KC);
  if (!scratch) {
    for (int64_t j = j0; j < j1; j++) poison(c + i0 + j * ldc, i1 - i0);
    return;
  }
  float *packed_a = scratch, *packed_b = packed_a + (int64_t)(MC + MR) * KC;
  float *buffer = packed_b + (int64_t)(NC + NR) * KC;
  for (int64_t j = j0; j < j1; j += NC) {
    const int nj = (int)smaller<int64_t>(NC, j1 - j);
    for (int64_t p = 0; p < depth; p += KC) {
      const int np = (int)smaller<int64_t>(KC, depth - p);
      pack<NR>(b.matrix, b.across, j, nj, p, np, packed_b, buffer);
      for (int64_t i = i0; i < i1; i += MC) {
        const int ni = (int)smaller<int64_t>(MC, i1 - i);
        pack<MR>(a.matrix, a.across, i, ni, p, np, packed_a, buffer);
        multiply_panels(np, packed_a, packed_b, c + i + j * ldc, ldc, ni, nj, p > 0);
      }
    }
  }
}

}  // namespace
}  // namespace BA_NS
