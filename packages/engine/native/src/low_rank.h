// The two products of a low-rank adapter: low = A x, of few outputs, and to = y + B low, one pass over y in place of a
// product of its own, which would be written and read again.
//
// Outputs are the lanes of a vector. A row's bits do not depend on the other rows: each sum goes through the ranks in
// order. A row that is decoded is summed along B's rows instead, which are read once for it and not worth turning.
#pragma once
#include "outputs.h"
#include "scatter.h"

namespace BA_NS {
namespace {

enum {
  LOW_VECTORS = 4,
  LOW_OUTS = LOW_VECTORS * L,          // outputs at a time
  LOW_RANKS = 64,                      // of a matrix turned at a time: it must stay in the L1 cache
  LOW_ROW_RANKS = 1024,                // most of a row that is summed along B's rows
  LOW_AHEAD = 4096,                    // bytes that are asked for ahead there
};
// Rows at a time, by vectors of outputs: enough sums that none waits for itself.
constexpr int low_rows(int vectors) { return vectors == 1 ? 8 : REGISTERS == 32 ? 4 : 2; }

struct FloatRows {
  const float *at;
  int64_t row;  // floats
};

// to[MR][NV * L] = from + x[MR][count] * b[count][NV * L]; without `from` as if it were 0.
template <int MR, int NV>
BA_INLINE void add_turned(FloatRows x, const float *b, int32_t count, FloatRows from, float *to, int64_t to_row) {
  vf sum[MR][NV];
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] =
      from.at ? load(from.at + r * from.row + v * L) : (vf){};
  for (int32_t i = 0; i < count; i++) {
    vf y[NV];
    BA_UNROLL for (int v = 0; v < NV; v++) y[v] = load(b + ((int64_t)i * NV + v) * L);
    BA_UNROLL for (int r = 0; r < MR; r++) {
      const vf factor = splat(x.at[r * x.row + i]);
      BA_UNROLL for (int v = 0; v < NV; v++) sum[r][v] += factor * y[v];
    }
  }
  BA_UNROLL for (int r = 0; r < MR; r++) BA_UNROLL for (int v = 0; v < NV; v++) store(to + r * to_row + v * L, sum[r][v]);
}

// The same of `outs` outputs, up to NV vectors.
template <int MR, int NV>
static void add_some(FloatRows x, const float *b, int32_t count, FloatRows from, float *to, int64_t to_row, int32_t outs) {
  if (outs == NV * L) return add_turned<MR, NV>(x, b, count, from, to, to_row);
  alignas(64) float c[MR * NV * L] = {};
  for (int r = 0; from.at && r < MR; r++)
    memcpy(c + r * NV * L, from.at + r * from.row, (size_t)outs * sizeof(float));
  add_turned<MR, NV>(x, b, count, {c, NV * L}, c, NV * L);
  for (int r = 0; r < MR; r++) memcpy(to + r * to_row, c + r * NV * L, (size_t)outs * sizeof(float));
}

template <int NV>
static void add_rows(FloatRows x, const float *b, int32_t count, FloatRows from, float *to, int64_t to_row, int32_t outs,
                     int64_t rows) {
  constexpr int MR = low_rows(NV);
  const auto moved = [](FloatRows a, int64_t row) { return FloatRows{a.at ? a.at + row * a.row : nullptr, a.row}; };
  int64_t row = 0;
  for (; row + MR <= rows; row += MR)
    add_some<MR, NV>(moved(x, row), b, count, moved(from, row), to + row * to_row, to_row, outs);
  for (; row < rows; row++) add_some<1, NV>(moved(x, row), b, count, moved(from, row), to + row * to_row, to_row, outs);
}

static void add_all(FloatRows x, const float *b, int32_t count, FloatRows from, float *to, int64_t to_row, int32_t outs,
                    int64_t rows) {
  switch ((outs + L - 1) / L) {
    case 1: return add_rows<1>(x, b, count, from, to, to_row, outs, rows);
    case 2: return add_rows<2>(x, b, count, from, to, to_row, outs, rows);
    case 3: return add_rows<3>(x, b, count, from, to, to_row, outs, rows);
    default: return add_rows<4>(x, b, count, from, to, to_row, outs, rows);
  }
}

// to[count][whole vectors of outs] = m[outs][count], turned; zeros beyond `outs`.
static void turn(FloatRows m, int32_t outs, int32_t count, float *to, int32_t width) {
  int32_t o = 0;
  for (; o + 8 <= outs; o += 8) {
    int32_t i = 0;
    for (; i + 8 <= count; i += 8) transpose8(m.at + o * m.row + i, m.row, to + (int64_t)i * width + o, width);
    for (; i < count; i++)
      for (int32_t j = 0; j < 8; j++) to[(int64_t)i * width + o + j] = m.at[(o + j) * m.row + i];
  }
  for (; o < outs; o++)
    for (int32_t i = 0; i < count; i++) to[(int64_t)i * width + o] = m.at[o * m.row + i];
}

static void add_low_rank_many(const ba::LowRank &p, const OutputShare &own) {
  alignas(64) float b[LOW_RANKS * LOW_OUTS];
  for (int64_t first = own.from; first < own.to; first += LOW_OUTS) {
    const int32_t outs = (int32_t)smaller((int64_t)LOW_OUTS, own.to - first), width = round_up(outs, L);
    if (outs < width) memset(b, 0, sizeof b);
    for (int64_t rank = 0; rank < p.rank; rank += LOW_RANKS) {
      const int32_t ranks = (int32_t)smaller((int64_t)LOW_RANKS, p.rank - rank);
      turn({p.b + first * p.b_row + rank, p.b_row}, outs, ranks, b, width);
      // The first ranks are added to y, later ones to what these gave.
      const FloatRows from = rank == 0 ? FloatRows{p.y + first, p.y_row} : FloatRows{p.to + first, p.to_row};
      add_all({p.low + rank, p.low_row}, b, ranks, from, p.to + first, p.to_row, outs, p.rows);
    }
  }
}

// y = x times few outputs, as those of A are: rows are split over the threads, and x is read as it lies, once for all
// matrices.
static void multiply_low(const ba::RowMatrix *matrices, int32_t count, int64_t k, const float *x, int64_t x_row, float *y,
                         int64_t y_row, int64_t rows, int32_t ith, int32_t nth) {
  enum { UNIT = low_rows(1) };
  const int64_t units = (rows + UNIT - 1) / UNIT;
  const int64_t from = share(units, ith, nth) * UNIT, to = smaller(share(units, ith + 1, nth) * UNIT, rows);
  if (from >= to) return;
  alignas(64) float b[LOW_RANKS * LOW_OUTS];
  int64_t outputs = 0;
  for (int32_t i = 0; i < count; i++) outputs += matrices[i].n;
  for (int64_t first = 0; first < outputs; first += LOW_OUTS) {
    const int32_t outs = (int32_t)smaller((int64_t)LOW_OUTS, outputs - first), width = round_up(outs, L);
    if (outs < width) memset(b, 0, sizeof b);
    for (int64_t at = 0; at < k; at += LOW_RANKS) {
      const int32_t some = (int32_t)smaller((int64_t)LOW_RANKS, k - at);
      int64_t before = 0;
      for (int32_t i = 0; i < count; before += matrices[i++].n) {
        const ba::RowMatrix &m = matrices[i];
        const int64_t begin = larger<int64_t>(first - before, 0), end = smaller(first + outs - before, m.n);
        const int64_t row = m.weight_row / (int64_t)sizeof(float);
        if (begin < end)
          turn({(const float *)m.weight + begin * row + at, row}, (int32_t)(end - begin), some, b + before + begin - first,
               width);
      }
      float *own = y + from * y_row + first;
      add_all({x + from * x_row + at, x_row}, b, some, at == 0 ? FloatRows{} : FloatRows{own, y_row}, own, y_row, outs,
              to - from);
    }
  }
}

static void add_low_rank_one(const ba::LowRank &p, const OutputShare &own) {
  alignas(64) float low[LOW_ROW_RANKS + L] = {};
  memcpy(low, p.low, (size_t)p.rank * sizeof(float));
  for (int64_t first = own.from; first < own.to; first += L) {
    const int32_t outs = (int32_t)smaller((int64_t)L, own.to - first);
    vf part[L / 4];
    for (int g = 0; g < L / 4; g++) {
      vf sum[4];
      for (int j = 0; j < 4; j++) {
        // Past the end the last one stands in: nobody reads what it gives.
        const char *row = (const char *)(p.b + (first + smaller(g * 4 + j, outs - 1)) * p.b_row);
        __builtin_prefetch(row + LOW_AHEAD);
        sum[j] = (vf){};
        int32_t i = 0;
        vf x;
        for (; i + L <= p.rank; i += L) {
          F32::load(row, i, &x);
          sum[j] += x * load(low + i);
        }
        if (i < p.rank) {
          F32::tail(row, i, (int)(p.rank - i), &x);
          sum[j] += x * load(low + i);
        }
      }
      part[g] = fold4(sum[0], sum[1], sum[2], sum[3]);
    }
    alignas(64) float c[L] = {};
    memcpy(c, p.y + first, (size_t)outs * sizeof(float));
    store(c, load(c) + join_groups(part));
    memcpy(p.to + first, c, (size_t)outs * sizeof(float));
  }
}

static void add_low_rank(const ba::LowRank &p, bool decodes, int32_t ith, int32_t nth) {
  const OutputShare own = output_share(p.n, ith, nth);
  if (decodes && p.rows == 1 && p.rank <= LOW_ROW_RANKS)
    add_low_rank_one(p, own);
  else
    add_low_rank_many(p, own);
}

}  // namespace
}  // namespace BA_NS
