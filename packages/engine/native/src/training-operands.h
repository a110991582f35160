// What a product of a linear layer multiplies, and a thread's share of its result.
#pragma once
#include "gemm.h"
#include "tensor.h"
#include "thread-scratch.h"
#include "training.h"

namespace BA_NS {
namespace {

struct Operand {
  Matrix matrix;
  bool across;  // rows run along the depth
};

// C(i, j) = sum over `depth` of A(i, p) B(p, j), of which a thread computes i in [i0, i1), j in [j0, j1).
struct Operands {
  Operand a, b;
  int64_t depth, i0, i1, j0, j1;
  float *c;
  int64_t ldc;

  void poison_all() const {
    for (int64_t j = j0; j < j1; j++) poison(c + i0 + j * ldc, i1 - i0);
  }
};

// [first, last) of `total` for a thread, at multiples of `step`.
BA_INLINE int64_t portion(int64_t total, int64_t step, int ith, int nth) {
  const int64_t steps = (total + step - 1) / step;
  return smaller(steps * ith / nth * step, total);
}

BA_INLINE Operands operands(ggml_tensor *dst, int ith, int nth, const ba_training_matrix &op) {
  const ggml_tensor *x = dst->src[0], *y = dst->src[1];
  const Matrix first = {(const char *)x->data, (int64_t)x->nb[1], op.to_float ? op.block_elements : 1,
                        op.to_float ? op.block_bytes : (int64_t)sizeof(float), op.to_float};
  const Matrix second = plain((const float *)y->data, (int64_t)(y->nb[1] / sizeof(float)));
  const bool back_to_weights = op.product == BA_BACK_TO_WEIGHTS;
  Operands o;
  // A's rows lie along the depth in the forward product only, B's in all but the gradient of the weights.
  o.a = {first, op.product == BA_FORWARD};
  o.b = {second, !back_to_weights};
  o.depth = op.product == BA_FORWARD ? x->ne[0] : x->ne[1];
  o.c = (float *)dst->data;
  o.ldc = (int64_t)(dst->nb[1] / sizeof(float));
  const int64_t m = dst->ne[0], n = dst->ne[1];
  const bool by_rows = !op.to_float && m >= 2 * n;
  o.i0 = by_rows ? portion(m, MR, ith, nth) : 0;
  o.i1 = by_rows ? portion(m, MR, ith + 1, nth) : m;
  o.j0 = by_rows ? 0 : portion(n, NR, ith, nth);
  o.j1 = by_rows ? n : portion(n, NR, ith + 1, nth);
  return o;
}

}  // namespace
}  // namespace BA_NS
