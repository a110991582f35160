// What one ISA's build of the kernel offers to dispatch.cpp.
#pragma once
#include "block_attention.h"
#include "checksum.h"
#include "linear.h"

namespace ba {

struct Rows {  // of queries or results: [row][head][head_dim], strides in floats
  float *data;
  int64_t row, head;
};

struct Kernel {
  const char *isa;
  int64_t (*scratch_bytes)(const ba_params &params, int32_t nth);
  // Every thread of [0, nth) calls attend; after all have returned every one calls merge.
  void (*attend)(const ba_params &params, const Rows &q, void *scratch, int32_t ith, int32_t nth);
  void (*merge)(const ba_params &params, const Rows &out, void *scratch, int32_t ith, int32_t nth);
  const Linear *linear;
  const Checksum *checksum;
};

}  // namespace ba
