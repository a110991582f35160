// Attention for a few query rows: dot products along the stored rows of K and V^T, at the pace of the memory.
//
// Both products are the same operation: rows of the block, contiguous along the contraction, times a few short rows
// held in cache (the queries, then the weights). Nothing is converted to memory first.
#pragma once
#include "ahead.h"

namespace BA_NS {
namespace {

enum {
  ROWS_AT_ONCE = REGISTERS == 32 ? 4 : 3,
  // How far ahead memory is asked for: short rows in four streams, and K and V in turn, are beyond what the hardware
  // foresees.
  AHEAD_BYTES = 8192,
  APART_ROWS = 8,  // rows ahead, where those of V^T lie apart
};

// Dot products of four stored rows with NR rows of b over elements [from, from + n) of the stored ones. Each group of
// four lanes of result[r] holds partial sums for the four. b is readable, and finite, up to a multiple of T::STEP. Asks
// for as many bytes at `ahead` as it reads; they need not exist.
template <class T, int NR>
BA_INLINE void dot4(const char *const *a, int32_t from, int32_t n, const float *b, int64_t b_stride, const char *ahead,
                    vf *result) {
  enum { NX = T::STEP / L, STEPS_A_LINE = T::BYTES > 32 ? 1 : T::BYTES > 16 ? 2 : 4 };
  vf sum[NR][4];
  BA_UNROLL for (int r = 0; r < NR; r++) BA_UNROLL for (int j = 0; j < 4; j++) sum[r][j] = (vf){};
  int32_t i = 0;
  for (; i + T::STEP <= n; i += T::STEP) BA_UNROLL for (int j = 0; j < 4; j++) {
      vf x[NX];
      if (j % STEPS_A_LINE == 0) __builtin_prefetch(ahead + (int64_t)i / T::STEP * T::BYTES * 4 + j * T::BYTES);
      T::load(a[j], from + i, x);
      BA_UNROLL for (int v = 0; v < NX; v++) BA_UNROLL for (int r = 0; r < NR; r++) sum[r][j] +=
          x[v] * load(b + r * b_stride + i + v * L);
    }
  if (i < n) BA_UNROLL
    for (int j = 0; j < 4; j++) {
      vf x[NX];
      T::tail(a[j], from + i, n - i, x);
      BA_UNROLL for (int v = 0; v < NX; v++) BA_UNROLL for (int r = 0; r < NR; r++) sum[r][j] +=
          x[v] * load(b + r * b_stride + i + v * L);
    }
  BA_UNROLL for (int r = 0; r < NR; r++) result[r] = fold4(sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
}

template <class T, int NR>
static void score_keys(const Source &s, int32_t dim, int32_t key, int32_t keys, const float *q, int64_t q_stride,
                       Walk &walk, float *scores) {
  for (int32_t t = 0; t < keys; t += L) {
    vf part[NR][L / 4];
    for (int g = 0; g < L / 4; g++) {
      const char *row[4];
      // Past the end the last key stands in: its score is never used.
      for (int j = 0; j < 4; j++) row[j] = s.k + (key + smaller(t + g * 4 + j, keys - 1)) * s.k_row;
      vf u[NR];
      dot4<T, NR>(row, 0, dim, q, q_stride, walk.take(4 * s.k_row), u);
      for (int r = 0; r < NR; r++) part[r][g] = u[r];
    }
    for (int r = 0; r < NR; r++) store(scores + r * NARROW_TILE + t, join_groups(part[r]));
  }
}

// `out` has room for whole vectors.
template <class T, int NR>
static void add_values(const Source &s, int32_t dim, int32_t key, int32_t keys, const float *weights, Walk &walk,
                       float *out, int64_t out_stride) {
  const int64_t bytes = keys / T::STEP * T::BYTES;
  for (int32_t i = 0; i < dim; i += L) {
    vf part[NR][L / 4];
    for (int g = 0; g < L / 4; g++) {
      const char *row[4];
      // Past the end the last one stands in: what it gives lies beyond the result.
      for (int j = 0; j < 4; j++) row[j] = s.v + smaller(i + g * 4 + j, dim - 1) * s.v_row;
      vf u[NR];
      if (!walk.joined) {
        const int32_t first = i + g * 4 + APART_ROWS;
        for (int32_t r = first; r < smaller(first + 4, dim); r++)
          prefetch(s.v + r * s.v_row + (int64_t)key / T::STEP * T::BYTES, bytes);
      }
      dot4<T, NR>(row, key, keys, weights, NARROW_TILE, walk.joined ? walk.take(4 * s.v_row) : row[0], u);
      for (int r = 0; r < NR; r++) part[r][g] = u[r];
    }
    for (int r = 0; r < NR; r++) {
      float *to = out + r * out_stride + i;
      store(to, load(to) + join_groups(part[r]));
    }
  }
}

// One row's scores [0, keys) to weights; what lies outside `seen`, up to whole groups, gets a weight next to zero.
// Brings maximum, sum and earlier output up to date.
BA_INLINE void softmax_row(float *scores, int32_t keys, Keys seen, float *maximum, float *sum, float *out,
                           int32_t dim) {
  const int32_t whole = round_up(keys, GROUP);
  for (int32_t t = 0; t < seen.begin; t++) scores[t] = MASKED;
  for (int32_t t = seen.end; t < whole; t++) scores[t] = MASKED;
  vf top = splat(*maximum);
  for (int32_t t = 0; t < whole; t += L) top = BA_NS::maximum(load(scores + t), top);
  const float highest = max_lane(top);
  vf total = {};
  for (int32_t t = 0; t < whole; t += L) {
    const vf weight = exp2_nonpositive(load(scores + t) - splat(highest));
    total += weight;
    store(scores + t, weight);
  }
  if (highest > *maximum) {
    const float factor = exp2_nonpositive(*maximum - highest);
    *sum *= factor;
    for (int32_t i = 0; i < dim; i++) out[i] *= factor;
    *maximum = highest;
  }
  *sum += sum_lanes(total);
}

template <class T, int NR>
static void attend_rows(const Work &w, const Source &s, const float *q, int32_t row, int32_t key, int32_t keys,
                        Walk &walk) {
  float *scores = w.scores + row * NARROW_TILE;
  float *out = w.out + row * w.padded;
  score_keys<T, NR>(s, w.dim, key, keys, q + row * w.padded, w.padded, walk, scores);
  for (int r = 0; w.cap != 0 && r < NR; r++) cap_scores(scores + r * NARROW_TILE, keys, w.cap);
  for (int r = 0; r < NR; r++) {
    const Keys seen = {smaller(larger(w.begin[row + r] - key, 0), keys),
                       larger(smaller(w.end[row + r] - key, keys), 0)};
    softmax_row(scores + r * NARROW_TILE, keys, seen, w.maximum + row + r, w.sum + row + r, out + r * w.padded, w.dim);
  }
  add_values<T, NR>(s, w.dim, key, keys, scores, walk, out, w.padded);
}

static void load_narrow(const Problem &problem, const Unit &unit, const Rows &q, const Work &w) {
  const float scale = problem.params->scale * 1.44269504f;
  for_rows(problem, unit.chunk, [&](int32_t i, const ba_sequence &s, int32_t query, int32_t head) {
    const float *from = q.data + (s.row + query) * q.row + (unit.kv * problem.group + head) * q.head;
    for (int32_t j = 0; j < w.padded; j++) {
      w.q[i * w.padded + j] = w.rotated[i * w.padded + j] = j < w.dim ? from[j] * scale : 0;
      w.out[i * w.padded + j] = 0;
    }
    w.position[i] = s.position + query;
    w.maximum[i] = NO_SCORE;
    w.sum[i] = 0;
  });
}

// Turns the first n_rot elements of a row by the angles of a block.
static void rotate_row(const ba_params &p, const ba_block &b, const float *q, float *to) {
  const int32_t half = p.n_rot / 2;
  int32_t i = 0;
  for (; i + L <= half; i += L) {
    const vf cos = load(b.cos + i), sin = load(b.sin + i);
    if (p.rope_neox) {
      const vf x = load(q + i), y = load(q + half + i);
      store(to + i, x * cos - y * sin);
      store(to + half + i, x * sin + y * cos);
    } else {
      const vf low = load(q + 2 * i), high = load(q + 2 * i + L);
      store(to + 2 * i, low * twice_low(cos) + swap_pairs(low) * turned(twice_low(sin)));
      store(to + 2 * i + L, high * twice_high(cos) + swap_pairs(high) * turned(twice_high(sin)));
    }
  }
  for (; i < half; i++) {
    const float x = q[pair_first(p, i)], y = q[pair_second(p, i)];
    to[pair_first(p, i)] = x * b.cos[i] - y * b.sin[i];
    to[pair_second(p, i)] = x * b.sin[i] + y * b.cos[i];
  }
}

static void rotate_narrow(const ba_params &p, const ba_block &b, const Work &w, int32_t rows) {
  for (int32_t r = 0; r < rows; r++) rotate_row(p, b, w.q + r * w.padded, w.rotated + r * w.padded);
}

// `next` is what follows the segment.
template <class T>
static void attend_tiles(const ba_params &p, const Segment &segment, int32_t kv, const Work &w, const float *q,
                         int32_t rows, Keys keys, const Ahead &next) {
  const Source s = source(*segment.block, w.dim, kv);
  for (int32_t key = keys.begin; key < keys.end; key += NARROW_TILE) {
    const int32_t n = smaller((int32_t)NARROW_TILE, keys.end - key);
    const Ahead coming = key + n < keys.end ? ahead(p, segment, kv, {key + n, keys.end}, NARROW_TILE) : next;
    Walk walk(ahead(p, segment, kv, {key, keys.end}, NARROW_TILE), coming, AHEAD_BYTES);
    for (int32_t row = 0; row < rows; row += ROWS_AT_ONCE) {
      const int32_t left = rows - row;
      if (left == 1)
        attend_rows<T, 1>(w, s, q, row, key, n, walk);
      else if (left == 2)
        attend_rows<T, 2>(w, s, q, row, key, n, walk);
      else if (left == 3 || ROWS_AT_ONCE == 3)
        attend_rows<T, 3>(w, s, q, row, key, n, walk);
      else
        attend_rows<T, ROWS_AT_ONCE>(w, s, q, row, key, n, walk);
    }
  }
}

// What nothing was read before: as much as is asked for ahead from there on.
static void ask_for_first(const Problem &problem, const Unit &unit, const Segment &segment, Keys keys, const Ahead &next) {
  Walk walk(ahead(*problem.params, segment, unit.kv, keys, NARROW_TILE), next, 0);
  for (int32_t b = 0; b < AHEAD_BYTES; b += 64) __builtin_prefetch(walk.take(64));
}

static void attend_narrow(const Problem &problem, const Unit &unit, const Segment &segment, Keys keys,
                          const Ahead &next, const Work &w) {
  const ba_params &p = *problem.params;
  const ba_block &b = *segment.block;
  for (int32_t i = 0; i < unit.chunk.rows; i++) {
    const Keys seen = visible(p, segment, w.position[i]);
    w.begin[i] = seen.begin;
    w.end[i] = seen.end;
  }
  if (b.cos) rotate_narrow(p, b, w, unit.chunk.rows);
  const float *q = b.cos ? w.rotated : w.q;
  if (b.type == BA_F32)
    attend_tiles<F32>(p, segment, unit.kv, w, q, unit.chunk.rows, keys, next);
  else if (b.type == BA_F16)
    attend_tiles<F16>(p, segment, unit.kv, w, q, unit.chunk.rows, keys, next);
  else
    attend_tiles<Q8>(p, segment, unit.kv, w, q, unit.chunk.rows, keys, next);
}

static void store_narrow(const Unit &unit, const Partials &to, int64_t first, const Work &w) {
  for (int32_t i = 0; i < unit.chunk.rows; i++) {
    memcpy(to.out + (first + i) * w.dim, w.out + i * w.padded, sizeof(float) * (size_t)w.dim);
    to.maximum[first + i] = w.maximum[i];
    to.sum[first + i] = w.sum[i];
  }
}

}  // namespace
}  // namespace BA_NS
