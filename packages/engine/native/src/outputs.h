// A share of the outputs of a matrix, a linear layer's or an expert's, as outputs_int8.h and experts_float.h compute it.
#pragma once
#include "rows_int8.h"

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
#if defined(__AVX512VNNI__)
  LANES8 = 16,
#else
  LANES8 = 8,
#endif
  OUT_LANES = L > (int)LANES8 ? (int)L : (int)LANES8,  // the wider of both kinds' vectors
};

// The outputs of thread ith of nth: whole vectors, but for the end of all.
struct OutputShare {
  int64_t from, to;
};
BA_INLINE OutputShare output_share(int64_t n, int32_t ith, int32_t nth) {
  const int64_t units = (n + OUT_LANES - 1) / OUT_LANES;
  return {share(units, ith, nth) * OUT_LANES, smaller(share(units, ith + 1, nth) * OUT_LANES, n)};
}

// The entries of a linear layer: every row, in order. As a list of entries is, it can be moved on.
struct Every {
  int64_t first;
  int64_t operator[](int64_t i) const { return first + i; }
  Every operator+(int64_t n) const { return {first + n}; }
};

// Copies between a tile's results, `lanes` floats a row, and where they belong, of which there are `outs`.
template <class E>
BA_INLINE void take_results(const Outputs &of, E entries, int rows, int64_t first, int32_t outs, int lanes,
                            float *c) {
  for (int r = 0; r < rows; r++)
    memcpy(c + r * lanes, of.y + entries[r] * of.y_row + first, (size_t)outs * sizeof(float));
}
template <class E>
BA_INLINE void put_results(const Outputs &of, E entries, int rows, int64_t first, int32_t outs, int lanes,
                           const float *c) {
  for (int r = 0; r < rows; r++)
    memcpy(of.y + entries[r] * of.y_row + first, c + r * lanes, (size_t)outs * sizeof(float));
}

}  // namespace
}  // namespace BA_NS
