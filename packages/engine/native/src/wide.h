// Attention for many query rows: rows are the lanes of a vector, keys and dimensions are broadcast.
//
// With rows as lanes both products read K [key][dim] and V [dim][key] along their stored rows, so a tile only has to
// be converted to f32, never transposed, and the softmax needs no horizontal operation. Rows lie in panels of up to
// PANEL vectors: q [dim][lanes], scores [key][lanes], output [dim][lanes].
#pragma once
#include "micro.h"
#include "ahead.h"

namespace BA_NS {
namespace {

// Scores to weights, in place; brings maximum and sum up to date and returns by what earlier output shrinks.
template <int NV>
BA_INLINE void softmax(float *scores, int32_t keys, float *maximum, float *sum, vf *factor) {
  vf top[NV], total[NV];
  BA_UNROLL for (int v = 0; v < NV; v++) top[v] = load(maximum + v * L);
  for (int32_t t = 0; t < keys; t++)
    BA_UNROLL for (int v = 0; v < NV; v++) top[v] = BA_NS::maximum(load(scores + ((int64_t)t * NV + v) * L), top[v]);
  BA_UNROLL for (int v = 0; v < NV; v++) {
    factor[v] = exp2_nonpositive(load(maximum + v * L) - top[v]);
    total[v] = load(sum + v * L) * factor[v];
    store(maximum + v * L, top[v]);
  }
  for (int32_t t = 0; t < keys; t++) BA_UNROLL for (int v = 0; v < NV; v++) {
      float *at = scores + ((int64_t)t * NV + v) * L;
      const vf weight = exp2_nonpositive(load(at) - top[v]);
      total[v] += weight;
      store(at, weight);
    }
  BA_UNROLL for (int v = 0; v < NV; v++) store(sum + v * L, total[v]);
}

// Hides the keys [key, key + keys) that lie outside each row's own range.
template <int NV>
static void mask(float *scores, int32_t key, int32_t keys, const int32_t *begin, const int32_t *end) {
  for (int v = 0; v < NV; v++) {
    vi from, to;
    memcpy(&from, begin + v * L, sizeof from);
    memcpy(&to, end + v * L, sizeof to);
    for (int32_t t = 0; t < keys; t++) {
      float *at = scores + ((int64_t)t * NV + v) * L;
      const vi index = splat(key + t);
      store(at, ((index >= from) & (index < to)) ? load(at) : splat(MASKED));
    }
  }
}

template <int NV>
static void attend_panel(const Work &w, int32_t row, const float *q, int32_t key, int32_t keys, bool masked) {
  enum { MR = REGISTERS == 32 || NV == 1 ? 8 : 4 };
  float *out = w.out + (int64_t)row * w.values;
  for (int32_t t = 0; t < keys; t += MR)
    multiply<MR, NV, false>(w.k + (int64_t)t * w.k_stride, w.k_stride, q, w.dim, w.scores + t * NV * L, nullptr);
  if (w.cap != 0) cap_scores(w.scores, keys * NV * L, w.cap);
  if (masked) mask<NV>(w.scores, key, keys, w.begin + row, w.end + row);
  vf factor[NV];
  softmax<NV>(w.scores, keys, w.maximum + row, w.sum + row, factor);
  if (w.latent) {
    const float *values = w.k + w.dim - w.values;
    for (int32_t i = 0; i < w.values; i += MR)
      multiply<MR, NV, true, true>(values + i, w.k_stride, w.scores, keys, out + (int64_t)i * NV * L, factor);
    return;
  }
  for (int32_t i = 0; i < w.values; i += MR)
    multiply<MR, NV, true>(w.v + (int64_t)i * w.v_stride, w.v_stride, w.scores, keys, out + (int64_t)i * NV * L,
                           factor);
}

static void load_wide(const Problem &problem, const Unit &unit, const Rows &q, const Work &w) {
  const float scale = problem.params->scale * 1.44269504f;
  const int32_t rows = round_up(unit.chunk.rows, L);
  memset(w.q, 0, sizeof(float) * (size_t)rows * w.dim);
  memset(w.out, 0, sizeof(float) * (size_t)rows * w.values);
  const float *from[MAX_ROWS];
  for_rows(problem, unit.chunk, [&](int32_t i, const ba_sequence &s, int32_t query, int32_t head) {
    from[i] = q.data + (s.row + query) * q.row + (unit.kv * problem.group + head) * q.head;
    w.position[i] = s.position + query;
  });
  for (int32_t i = 0; i < rows; i++) {
    w.maximum[i] = NO_SCORE;
    w.sum[i] = 0;
    if (i >= unit.chunk.rows) w.position[i] = w.position[unit.chunk.rows - 1];
  }
  for_panels(unit.chunk.rows, [&](int32_t row, int32_t lanes) {
    float *to = w.q + (int64_t)row * w.dim;
    for (int32_t lane = 0; lane < lanes && row + lane < unit.chunk.rows; lane++)
      for (int32_t i = 0; i < w.dim; i++) to[(int64_t)i * lanes + lane] = from[row + lane][i] * scale;
  });
}

static void rotate_wide(const ba_params &p, const ba_block &b, const Work &w, int32_t rows) {
  for_panels(rows, [&](int32_t row, int32_t lanes) {
    const float *q = w.q + (int64_t)row * w.dim;
    float *to = w.rotated + (int64_t)row * w.dim;
    for (int32_t i = 0; i < p.n_rot / 2; i++) {
      const int64_t x = (int64_t)pair_first(p, i) * lanes, y = (int64_t)pair_second(p, i) * lanes;
      const vf cos = splat(b.cos[i]), sin = splat(b.sin[i]);
      for (int32_t l = 0; l < lanes; l += L) {
        store(to + x + l, load(q + x + l) * cos - load(q + y + l) * sin);
        store(to + y + l, load(q + x + l) * sin + load(q + y + l) * cos);
      }
    }
    const int64_t done = (int64_t)p.n_rot * lanes;
    memcpy(to + done, q + done, sizeof(float) * (size_t)(w.dim * (int64_t)lanes - done));
  });
}

template <class T>
static void convert_tile(const Source &s, const Work &w, int32_t key, int32_t keys) {
  for (int32_t t = 0; t < keys; t++) convert_row<T>(s.k + (key + t) * s.k_row, 0, w.dim, w.k + (int64_t)t * w.k_stride);
  for (int32_t t = keys; t % 8; t++) memset(w.k + (int64_t)t * w.k_stride, 0, sizeof(float) * (size_t)w.dim);
  for (int32_t i = 0; i < w.values && !w.latent; i++)
    convert_row<T>(s.v + i * s.v_row, key, keys, w.v + (int64_t)i * w.v_stride);
}

// Asks for the share [from, to) of `whole`: rows of V^T are too short and too far apart for the hardware to see them
// coming.
BA_INLINE void prefetch(const Ahead &a, int32_t from, int32_t to, int32_t whole) {
  for (int64_t i = a.k_bytes * from / whole / 64 * 64; i < a.k_bytes * to / whole; i += 64)
    __builtin_prefetch(a.k + i, 0, 2);
  for (int64_t r = (int64_t)a.v_rows * from / whole; r < (int64_t)a.v_rows * to / whole; r++)
    for (int64_t i = 0; i < a.v_bytes; i += 64) __builtin_prefetch(a.v + r * a.v_row + i, 0, 2);
}

// `next` is what follows the segment.
static void attend_wide(const Problem &problem, const Unit &unit, const Segment &segment, Keys keys, const Ahead &next,
                        const Work &w) {
  const ba_params &p = *problem.params;
  const ba_block &b = *segment.block;
  const Source s = source(b, w.dim, unit.kv);
  const int32_t rows = round_up(unit.chunk.rows, L);
  const bool whole = !segment.own && p.window <= 0 && b.hidden == 0;
  if (!whole)
    for (int32_t i = 0; i < rows; i++) {
      const Keys seen = visible(p, segment, w.position[i]);
      w.begin[i] = seen.begin;
      w.end[i] = seen.end;
    }
  if (b.cos) rotate_wide(p, b, w, unit.chunk.rows);
  const float *q = b.cos ? w.rotated : w.q;
  for (int32_t key = keys.begin; key < keys.end; key += WIDE_TILE) {
    const int32_t n = smaller((int32_t)WIDE_TILE, keys.end - key);
    if (b.type == BA_F32)
      convert_tile<F32>(s, w, key, n);
    else if (b.type == BA_F16)
      convert_tile<F16>(s, w, key, n);
    else
      convert_tile<Q8>(s, w, key, n);
    const Ahead coming = key + n < keys.end ? ahead(p, segment, unit.kv, {key + n, keys.end}, WIDE_TILE) : next;
    for_panels(unit.chunk.rows, [&](int32_t row, int32_t lanes) {
      prefetch(coming, row, row + lanes, rows);
      bool any = whole, all = whole;
      if (!whole) {
        all = true;
        for (int32_t i = row; i < row + lanes; i++) {
          any |= w.begin[i] < key + n && w.end[i] > key;
          all &= w.begin[i] <= key && w.end[i] >= key + n;
        }
      }
      if (!any) return;
      const float *panel = q + (int64_t)row * w.dim;
      if (lanes == L)
        attend_panel<1>(w, row, panel, key, n, !all);
      else if (lanes == 2 * L)
        attend_panel<2>(w, row, panel, key, n, !all);
      else
        attend_panel<PANEL>(w, row, panel, key, n, !all);
    });
  }
}

static void store_wide(const Unit &unit, const Partials &to, int64_t first, const Work &w) {
  for_panels(unit.chunk.rows, [&](int32_t row, int32_t lanes) {
    const float *out = w.out + (int64_t)row * w.values;
    for (int32_t lane = 0; lane < lanes && row + lane < unit.chunk.rows; lane++) {
      float *at = to.out + (first + row + lane) * w.values;
      for (int32_t i = 0; i < w.values; i++) at[i] = out[(int64_t)i * lanes + lane];
      to.maximum[first + row + lane] = w.maximum[row + lane];
      to.sum[first + row + lane] = w.sum[row + lane];
    }
  });
}

}  // namespace
}  // namespace BA_NS
