// Contract between src/ggml (TypeScript, through koffi) and the linear layers of many rows: y = W x.
//
// Two graph nodes, because threads may only meet at the barrier between nodes:
//   ba_linear_pack(dst, ith, nth, type)      dst->src[0] = x [k, rows] f32, rows may be strided. dst: ba_linear_packed_bytes
//                                            of memory, x in the form that weights of `type` (as an integer in the
//                                            pointer) are multiplied with. May serve several products.
//   ba_linear_multiply(dst, ith, nth, null)  dst->src[0] = the packed rows, dst->src[1] = W [k, n] of ggml's layout, its
//                                            rows contiguous; dst [n, rows] f32. Splits n over the threads.
// Nothing is kept between calls: weights are unpacked a tile at a time, which many rows share.
//
// One row, as a token that is decoded is, may meet several matrices in one node, where ba_linear_takes_row says so:
//   ba_linear_multiply_row(dst, ith, nth, null)  dst->src[0] = x [k] f32; dst->src[1] and on: matrices [k, n] of ggml's
//                                            layout, their rows contiguous; dst f32: [n] of each, one behind the other.
//                                            Splits all outputs over the threads.
// Sums are in another order than those of ba_linear_multiply.
//
// A low-rank adapter is multiplied with and added in two nodes:
//   ba_linear_multiply_low(dst, ith, nth, null) dst->src[0] = x [k, rows], may be strided; dst->src[1] and on: matrices
//                                            [k, n] of few outputs; dst [all n, rows]. All f32. Splits rows over the
//                                            threads.
//   ba_linear_add_low_rank(dst, ith, nth, d) dst->src[0] = y [n, rows], dst->src[1] = low [rank, rows], dst->src[2] = B
//                                            [rank, n]; dst [n, rows] = y + B low. All f32; rows may be strided. `d` (a
//                                            number in the pointer): not 0 where one row is decoded, whose sums are in
//                                            another order. Splits n over the threads.
//
// Likewise for experts, where each row meets the matrices that a router chose for it:
//   ba_experts_pack(dst, ith, nth, null)     dst->src[0] = x [k, 1 or used, tokens] f32: one row for all experts of a
//                                            token, or one for each; src[1] = ids i32 [used, tokens], which may be
//                                            strided; src[2] = a W of the type and number of experts that the rows are
//                                            for. dst: ba_experts_packed_bytes of memory: the rows, and which expert
//                                            meets which. May serve several products.
//   ba_experts_multiply(dst, ith, nth, null) dst->src[0] = that, src[1] = W [k, n, experts] of ggml's layout; dst
//                                            [n, used, tokens] f32, contiguous. Splits n over the threads.
// Rows whose id is none of an expert are NaN. A row's bits are those of ba_linear_multiply with its expert's matrix.
//
// Quantised weights meet rows of int8, rounded as ggml rounds them for the same weights (q8_0, q8_1, q8_K); f16 and bf16
// weights meet rows rounded to the same type, f32 weights meet the rows as they are. Sums are in f32. A row's result does
// not depend on the other rows.
#pragma once
#include <stdint.h>

struct ggml_tensor;

#ifdef __cplusplus
extern "C" {
#endif
// The build of the linear layers: ba_isa()'s, or where the CPU has that `avx512_bf16` (with VNNI) or `avx512_vnni` beside an
// AVX-512 build, `avx_vnni` beside that of AVX2.
const char *ba_linear_isa(void);
// Bytes of `rows` packed rows of k elements, or -1 where this CPU's build does not take weights of this ggml type and
// shape [k, n]: n must be a multiple of 8, k of the type's group.
int64_t ba_linear_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t rows);
void ba_linear_pack(struct ggml_tensor *dst, int ith, int nth, void *type);
void ba_linear_multiply(struct ggml_tensor *dst, int ith, int nth, void *unused);
// The same without ggml, for tests: x [rows][k], y [rows][n], rows of the weight weight_row bytes apart. Packs all and
// computes the outputs of thread ith of nth. 0, or 1 where ba_linear_packed_bytes refuses.
int32_t ba_linear_run(int32_t type, const void *weight, int64_t weight_row, int64_t k, int64_t n, const float *x,
                      int64_t rows, void *packed, float *y, int32_t ith, int32_t nth);

// Whether this CPU's build multiplies one row with weights of this type and shape [k, n] by itself.
int32_t ba_linear_takes_row(int32_t type, int64_t k, int64_t n);
void ba_linear_multiply_row(struct ggml_tensor *dst, int ith, int nth, void *unused);
// The same without ggml, for tests: the outputs of thread ith of nth. 0, or 1 where a matrix is not taken or there are
// more than nine.
typedef struct {
  int32_t type;
  int64_t n;
  const void *weight;  // [n] rows of weight_row bytes
  int64_t weight_row;
} ba_matrix;
int32_t ba_linear_run_row(const ba_matrix *matrices, int32_t count, int64_t k, const float *x, float *y, int32_t ith,
                          int32_t nth);

void ba_linear_add_low_rank(struct ggml_tensor *dst, int ith, int nth, void *decodes);
void ba_linear_multiply_low(struct ggml_tensor *dst, int ith, int nth, void *unused);
// The same without ggml, for tests: all of it contiguous.
void ba_linear_run_low(const ba_matrix *matrices, int32_t count, int64_t k, const float *x, int64_t rows, float *y,
                       int32_t ith, int32_t nth);
void ba_linear_run_low_rank(int64_t rank, int64_t n, int64_t rows, const float *b, const float *low, const float *y,
                            float *to, int32_t decodes, int32_t ith, int32_t nth);

int64_t ba_experts_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t experts, int64_t used, int64_t tokens,
                                int64_t x_rows);
void ba_experts_pack(struct ggml_tensor *dst, int ith, int nth, void *unused);
void ba_experts_multiply(struct ggml_tensor *dst, int ith, int nth, void *unused);
// The same without ggml, for tests: all of it contiguous, rows of the weights weight_row bytes apart. Packs all and
// computes the outputs of thread ith of nth. 0, or 1 where ba_experts_packed_bytes refuses.
typedef struct {
  int32_t type;
  int64_t k, n, experts, used, tokens, x_rows;
  const void *weight;  // [experts][n]
  int64_t weight_row;
  const float *x;      // [tokens][x_rows][k]
  const int32_t *ids;  // [tokens][used]
  void *packed;
  float *y;            // [tokens][used][n]
} ba_experts;
int32_t ba_experts_run(const ba_experts *p, int32_t ith, int32_t nth);
#ifdef __cplusplus
}
#endif
