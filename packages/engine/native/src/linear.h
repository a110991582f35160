// What one ISA's build of the linear layers offers to linear-dispatch.cpp.
#pragma once
#include "block_linear.h"

namespace ba {

// ggml's numbers of the weight types that are taken.
enum WeightType {
  W_F32 = 0,
  W_F16 = 1,
  W_Q4_0 = 2,
  W_Q4_1 = 3,
  W_Q5_0 = 6,
  W_Q5_1 = 7,
  W_Q8_0 = 8,
  W_Q4_K = 12,
  W_Q5_K = 13,
  W_Q6_K = 14,
  W_BF16 = 30,
  W_MXFP4 = 39,
};

struct Product {
  int32_t type;
  int64_t k, n, rows;
  const char *weight;  // [n] rows of weight_row bytes
  int64_t weight_row;
  const float *x;  // [rows] of x_row floats
  int64_t x_row;
  char *packed;
  float *y;  // [rows] of y_row floats
  int64_t y_row;
};

// A matrix that one row meets.
struct RowMatrix {
  int32_t type;
  int64_t n;
  const char *weight;  // [n] rows of weight_row bytes
  int64_t weight_row;
  float *y;  // [n]
};

// to = y + b low, all rows of f32.
struct LowRank {
  int64_t rank, n, rows;
  const float *b;  // [n] of b_row floats: [rank]
  int64_t b_row;
  const float *low;  // [rows] of low_row floats: [rank]
  int64_t low_row;
  const float *y;  // [rows] of y_row floats: [n]
  int64_t y_row;
  float *to;  // likewise
  int64_t to_row;
};

// Every row of x times the matrices that ids name for it.
struct Experts {
  int32_t type;
  int64_t k, n, experts, used, tokens;
  const char *weight;  // [experts] of weight_expert bytes: [n] rows of weight_row bytes
  int64_t weight_row, weight_expert;
  const float *x;  // [tokens] of x_token floats: [x_rows] of x_row floats
  int64_t x_rows;  // 1: one for all experts of a token; used: one for each
  int64_t x_row, x_token;
  const int32_t *ids;  // [tokens] of ids_token: [used]
  int64_t ids_token;
  char *packed;
  float *y;  // [tokens][used][n]
};

struct Linear {
  const char *isa;
  int64_t (*packed_bytes)(int32_t type, int64_t k, int64_t n, int64_t rows);
  // Every thread of [0, nth) calls pack; after all have returned every one calls multiply.
  void (*pack)(const Product &p, int32_t ith, int32_t nth);
  void (*multiply)(const Product &p, int32_t ith, int32_t nth);
  // Whether one row may meet several such matrices at once, with nothing packed before.
  bool (*takes_row)(int32_t type, int64_t k);
  void (*multiply_row)(const RowMatrix *matrices, int32_t count, int64_t k, const float *x, int32_t ith, int32_t nth);
  // Of f32 matrices of few outputs, y [rows] of y_row floats: [n] of each matrix, one behind the other.
  void (*multiply_low)(const RowMatrix *matrices, int32_t count, int64_t k, const float *x, int64_t x_row, float *y,
                       int64_t y_row, int64_t rows, int32_t ith, int32_t nth);
  // `decodes`: of one row alone, in an order of its own.
  void (*add_low_rank)(const LowRank &p, bool decodes, int32_t ith, int32_t nth);
  // The same of experts; bytes depend on all numbers but those of memory.
  int64_t (*experts_bytes)(const Experts &p);
  void (*pack_experts)(const Experts &p, int32_t ith, int32_t nth);
  void (*multiply_experts)(const Experts &p, int32_t ith, int32_t nth);
};

}  // namespace ba
