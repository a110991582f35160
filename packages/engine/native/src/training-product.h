// The three products of a linear layer. Threads share out the longer side of the result and need no barrier.
#pragma once
#include "training-operands.h"
#if defined(__AVX512BF16__)
#include "training-bf16.h"
#endif

namespace BA_NS {
namespace {

static void product(ggml_tensor *dst, int ith, int nth, const ba_training_matrix &op) {
#if defined(__AVX512BF16__)
  if (op.rounded && op.product != BA_BACK_TO_WEIGHTS) return product_of_pairs(dst, ith, nth, op);
#endif
  const Operands o = operands(dst, ith, nth, op);
  if (o.i0 >= o.i1 || o.j0 >= o.j1) return;
  float *scratch = thread_floats((int64_t)(MC + MR) * KC + (int64_t)(NC + NR) * KC + MC + 4 * KC);
  if (!scratch) return o.poison_all();
  float *packed_a = scratch, *packed_b = packed_a + (int64_t)(MC + MR) * KC;
  float *buffer = packed_b + (int64_t)(NC + NR) * KC;
  for (int64_t j = o.j0; j < o.j1; j += NC) {
    const int nj = (int)smaller<int64_t>(NC, o.j1 - j);
    for (int64_t p = 0; p < o.depth; p += KC) {
      const int np = (int)smaller<int64_t>(KC, o.depth - p);
      pack<NR>(o.b.matrix, o.b.across, j, nj, p, np, packed_b, buffer);
      for (int64_t i = o.i0; i < o.i1; i += MC) {
        const int ni = (int)smaller<int64_t>(MC, o.i1 - i);
        pack<MR>(o.a.matrix, o.a.across, i, ni, p, np, packed_a, buffer);
        multiply_panels(np, packed_a, packed_b, o.c + i + j * o.ldc, o.ldc, ni, nj, p > 0);
      }
    }
  }
}

}  // namespace
}  // namespace BA_NS
