// Products in int8 with outputs as the lanes of a vector: rows lie as rows_int8.h packs them, weights as [quads][lanes][4]
// bytes and [groups][lanes] scales and minima, by tiles of OUT_VECTORS vectors of outputs, unpacked once for all rows. How
// they are multiplied is outputs_avx2.h's and outputs_vnni.h's: integers are exact, and floats are added in one order, so
// both give the same bits.
#pragma once
#include "outputs_unpack.h"

namespace BA_NS {
namespace {

enum {
#if defined(__AVX512VNNI__)
  OUT_VECTORS = 2,
#else
  OUT_VECTORS = 1,
#endif
#if defined(BA_VNNI)
  OUT_ROWS = 6,  // rows at a time: as many sums as there are registers for
#else
  OUT_ROWS = 4,
#endif
  OUT_K = 1024,  // most elements of k unpacked at a time: a multiple of SUPER
  OUT_GROUPS = OUT_K / 32,
};

#if defined(__AVX2__)

// How weights of a kind gather: how many quads fit into int16, whether they are signed, how many scales a group has.
struct Small {  // 0..15: 8 * 2 * 15 * 127 < 2^15
  enum { QUADS = 8, SIGNED = 0, SCALES = 1 };
};
struct Five {  // 0..31: 4 * 2 * 31 * 127 < 2^15
  enum { QUADS = 4, SIGNED = 0, SCALES = 1 };
};
struct Six {  // -32..31: 4 * 2 * 32 * 127 < 2^15
  enum { QUADS = 4, SIGNED = 1, SCALES = 2 };
};
struct Byte {  // -128..127: 2 * 128 * 127 < 2^15
  enum { QUADS = 1, SIGNED = 1, SCALES = 1 };
};

struct OutTile {
  uint8_t w[OUT_VECTORS][OUT_K / 4][LANES8][4];
  float scale[OUT_VECTORS][OUT_GROUPS][LANES8], minimum[OUT_VECTORS][OUT_GROUPS][LANES8];
};

// `outs` rows of weights from `first` on, up to whole vectors: lanes beyond them hold the last one, and nobody reads them.
template <int32_t TYPE>
static void unpack_outputs(const Outputs &of, int64_t first, int32_t outs, int64_t k, int32_t n, OutTile *tile) {
  const Format f = format(TYPE);
  for (int32_t v = 0; v * LANES8 < outs; v++) {
    const char *row[LANES8];
    for (int32_t r = 0; r < LANES8; r++)
      row[r] = of.weight + (first + smaller(v * LANES8 + r, outs - 1)) * of.weight_row + k / f.group * f.bytes;
    // The tile's other outputs, then those of the next k, then of the next tile.
    const int64_t vector = LANES8 * of.weight_row, chunk = n / f.group * f.bytes;
    const int64_t ahead = (v + 1) * LANES8 < outs ? vector : k + n < of.k ? chunk - v * vector : vector - k / f.group * f.bytes;
    unpack_lanes<TYPE>(row, n, ahead, {tile->w[v], tile->scale[v], tile->minimum[v]});
  }
}

}  // namespace
}  // namespace BA_NS
#if defined(BA_VNNI)
#include "outputs_vnni.h"
#else
#include "outputs_avx2.h"
#endif
namespace BA_NS {
namespace {

template <class KIND, int MR, int NV, class E>
static void multiply_entries(const Outputs &of, E entries, const char *const *x, const OutTile &tile,
                             int64_t first, int32_t outs, int32_t groups, bool add) {
  alignas(64) float c[MR * NV * LANES8];
  if (add) take_results(of, entries, MR, first, outs, NV * LANES8, c);
  multiply_outputs<KIND, MR, NV>(tile, x, groups, c, add);
  put_results(of, entries, MR, first, outs, NV * LANES8, c);
}

template <class KIND, int NV, class E>
static void multiply_tile(const Outputs &of, E entries, int rows, const char *const *x, const OutTile &tile,
                          int64_t first, int32_t outs, int32_t groups, bool add) {
#define BA_ROWS(n) multiply_entries<KIND, n, NV>(of, entries, x, tile, first, outs, groups, add)
  switch (rows) {
    case 1: return BA_ROWS(1);
    case 2: return BA_ROWS(2);
    case 3: return BA_ROWS(3);
    case 4: return BA_ROWS(4);
    case 5: return BA_ROWS(OUT_ROWS < 5 ? 1 : 5);
    default: return BA_ROWS(OUT_ROWS);
  }
#undef BA_ROWS
}

template <int32_t TYPE, class KIND, class E, class F>
static void multiply_int8_kind(const Outputs &of, E entries, int64_t count, F row_of) {
  alignas(64) OutTile tile;
  // Parts of one length: what is asked for ahead is as much as the part before had.
  const int64_t parts = (of.k + OUT_K - 1) / OUT_K, part = (of.k / parts + SUPER - 1) / SUPER * SUPER;
  for (int64_t first = of.from; first < of.to; first += OUT_VECTORS * LANES8) {
    const int32_t outs = (int32_t)smaller((int64_t)OUT_VECTORS * LANES8, of.to - first);
    for (int64_t k = 0; k < of.k; k += part) {
      const int32_t n = (int32_t)smaller(part, of.k - k);
      unpack_outputs<TYPE>(of, first, outs, k, n, &tile);
      int32_t rows;
      for (int64_t at = 0; at < count; at += rows) {
        rows = (int32_t)smaller((int64_t)OUT_ROWS, count - at);
        const char *x[OUT_ROWS];
        for (int32_t r = 0; r < rows; r++)
          x[r] = of.rows + ((int64_t)row_of(entries[at + r]) * (of.k / 32) + k / 32) * ROW_GROUP;
        if (outs > LANES8)
          multiply_tile<KIND, OUT_VECTORS>(of, entries + at, rows, x, tile, first, outs, n / 32, k > 0);
        else
          multiply_tile<KIND, 1>(of, entries + at, rows, x, tile, first, outs, n / 32, k > 0);
      }
    }
  }
}

// The outputs of a matrix for some entries. `row_of` an entry: which packed row it reads. False for weights of other types.
template <class E, class F>
static bool multiply_int8(const Outputs &of, E entries, int64_t count, F row_of) {
  switch (of.type) {
    case ba::W_Q4_0: multiply_int8_kind<ba::W_Q4_0, Small>(of, entries, count, row_of); return true;
    case ba::W_Q4_1: multiply_int8_kind<ba::W_Q4_1, Small>(of, entries, count, row_of); return true;
    case ba::W_Q4_K: multiply_int8_kind<ba::W_Q4_K, Small>(of, entries, count, row_of); return true;
    case ba::W_Q5_0: multiply_int8_kind<ba::W_Q5_0, Five>(of, entries, count, row_of); return true;
    case ba::W_Q5_1: multiply_int8_kind<ba::W_Q5_1, Five>(of, entries, count, row_of); return true;
    case ba::W_Q5_K: multiply_int8_kind<ba::W_Q5_K, Five>(of, entries, count, row_of); return true;
    case ba::W_MXFP4: multiply_int8_kind<ba::W_MXFP4, Five>(of, entries, count, row_of); return true;
    case ba::W_Q6_K: multiply_int8_kind<ba::W_Q6_K, Six>(of, entries, count, row_of); return true;
    case ba::W_Q8_0: multiply_int8_kind<ba::W_Q8_0, Byte>(of, entries, count, row_of); return true;
    default: return false;
  }
}

#endif

}  // namespace
}  // namespace BA_NS
