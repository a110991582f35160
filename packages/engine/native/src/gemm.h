// Products of packed panels in f32: the building block of the training nodes.
//
// A product is C(i, j) = sum over p of A(i, p) B(p, j), C stored with i innermost. Both operands are first copied into
// panels, [p][MR] of A and [p][NR] of B, zero-filled at the edges, whatever their layout and element type: transposing
// and converting cost nothing beyond that copy. One micro-kernel of MR x NR sums does all the arithmetic.
#pragma once
#include "transpose-four.h"

namespace BA_NS {
namespace {

enum {
  MR = 2 * L,
  NR = REGISTERS == 32 ? 12 : 6,
  KC = 256,  // depth of panels: one of B stays in the L1 cache. A multiple of every block of elements
  MC = 256,  // rows of A packed at a time: they stay in the L2 cache. A multiple of every block of elements
  NC = 1536,
};

// A matrix whose rows are contiguous.
struct Matrix {
  const char *data;
  int64_t row_bytes;
  int64_t block_elements, block_bytes;
  void (*to_float)(const void *from, float *to, int64_t count);  // null: f32
};

BA_INLINE Matrix plain(const float *data, int64_t row_floats) {
  return {(const char *)data, row_floats * (int64_t)sizeof(float), 1, sizeof(float), nullptr};
}

// Elements [at, at + count) of a row: where they lie, or converted into `buffer`. Both are multiples of the block.
BA_INLINE const float *read_row(const Matrix &m, int64_t row, int64_t at, int64_t count, float *buffer) {
  const char *from = m.data + row * m.row_bytes + at / m.block_elements * m.block_bytes;
  if (!m.to_float) return (const float *)from;
  m.to_float(from, buffer, count);
  return buffer;
}

// Packs [x0, x0 + nx) of the long side and [p0, p0 + np) of the depth into panels of W: to[x / W][p][W].
// `across`: rows of the matrix run along the depth and there is one for every x; else there is one for every p.
template <int W>
static void pack(const Matrix &m, bool across, int64_t x0, int nx, int64_t p0, int np, float *to, float *buffer) {
  if (across) {
    for (int x = 0; x < nx; x += W) {
      float *panel = to + (int64_t)x * np;
      const int w = smaller((int)W, nx - x);
      int r = 0;
      for (; r + 4 <= w; r += 4) {
        const float *rows[4];
        for (int i = 0; i < 4; i++) rows[i] = read_row(m, x0 + x + r + i, p0, np, buffer ? buffer + i * np : nullptr);
        transpose_four<W>(rows, np, panel + r);
      }
      for (; r < w; r++) {
        const float *row = read_row(m, x0 + x + r, p0, np, buffer);
        for (int p = 0; p < np; p++) panel[p * W + r] = row[p];
      }
      for (int r = w; r < W; r++)
        for (int p = 0; p < np; p++) panel[p * W + r] = 0;
    }
    return;
  }
  for (int p = 0; p < np; p++) {
    const float *row = read_row(m, p0 + p, x0, nx, buffer);
    int x = 0;
    for (; x + W <= nx; x += W) memcpy(to + (int64_t)x * np + p * W, row + x, sizeof(float) * W);
    if (x < nx) {
      float *last = to + (int64_t)x * np + p * W;
      for (int r = 0; r < W; r++) last[r] = r < nx - x ? row[x + r] : 0;
    }
  }
}

// c[i + j * ldc] = or += a tile of sums, for i < m, j < n.
BA_INLINE void store_tile(const vf (&sum)[NR][2], float *c, int64_t ldc, int m, int n, bool add) {
  if (m >= MR && n >= NR) {
    BA_UNROLL
    for (int j = 0; j < NR; j++) {
      float *to = c + j * ldc;
      store(to, add ? load(to) + sum[j][0] : sum[j][0]);
      store(to + L, add ? load(to + L) + sum[j][1] : sum[j][1]);
    }
    return;
  }
  float edge[NR][MR];
  for (int j = 0; j < NR; j++) {
    store(edge[j], sum[j][0]);
    store(edge[j] + L, sum[j][1]);
  }
  for (int j = 0; j < smaller(n, (int)NR); j++)
    for (int i = 0; i < smaller(m, (int)MR); i++) c[i + j * ldc] = (add ? c[i + j * ldc] : 0) + edge[j][i];
}

// c[i + j * ldc] = or += sum over p of a[p][i] b[p][j], for i < m, j < n.
static void multiply(int depth, const float *a, const float *b, float *c, int64_t ldc, int m, int n, bool add) {
  vf sum[NR][2] = {};
  for (int p = 0; p < depth; p++, a += MR, b += NR) {
    const vf a0 = load(a), a1 = load(a + L);
    BA_UNROLL
    for (int j = 0; j < NR; j++) {
      const vf x = splat(b[j]);
      sum[j][0] += a0 * x;
      sum[j][1] += a1 * x;
    }
  }
  store_tile(sum, c, ldc, m, n, add);
}

// All panels of a packed block: a [m / MR][depth][MR], b [n / NR][depth][NR].
static void multiply_panels(int depth, const float *a, const float *b, float *c, int64_t ldc, int m, int n, bool add) {
  for (int j = 0; j < n; j += NR)
    for (int i = 0; i < m; i += MR)
      multiply(depth, a + (int64_t)i * depth, b + (int64_t)j * depth, c + i + j * ldc, ldc, m - i, n - j, add);
}

}  // namespace
}  // namespace BA_NS
