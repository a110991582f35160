// A share of an expert's outputs, as experts_int8.h and experts_float.h compute it.
#pragma once
#include "linear_int8.h"

namespace BA_NS {
namespace {

struct Outputs {
  int32_t type;
  int64_t k;
  const char *weight;  // rows of weight_row bytes
  int64_t weight_row;
  const char *rows;  // packed
  float *y;          // [entries] of y_row floats
  int64_t y_row;
  int64_t from, to;  // outputs of this thread: from the start of a vector to the end of one, or of all
};

enum {
  OUT_LANES = L > (int)LANES8 ? (int)L : (int)LANES8,  // the wider of both kinds' vectors
};

// Copies between a tile's results, `lanes` floats a row, and where they belong, of which there are `outs`.
BA_INLINE void take_results(const Outputs &of, const int32_t *entries, int rows, int64_t first, int32_t outs, int lanes,
                            float *c) {
  for (int r = 0; r < rows; r++)
    memcpy(c + r * lanes, of.y + entries[r] * of.y_row + first, (size_t)outs * sizeof(float));
}
BA_INLINE void put_results(const Outputs &of, const int32_t *entries, int rows, int64_t first, int32_t outs, int lanes,
                           const float *c) {
  for (int r = 0; r < rows; r++)
    memcpy(of.y + entries[r] * of.y_row + first, c + r * lanes, (size_t)outs * sizeof(float));
}

}  // namespace
}  // namespace BA_NS
