// Attention over packed rows and its gradient, without a mask: every query sees two runs of keys of its own row, so
// what no query of a tile sees is never computed (the paper's block fine-tuning: the block mask at ordinary positions).
//
// A unit of work is one kv head of one row, with the query heads that share it: units write to places of their own, and
// threads take them in turn. Per tile of queries all scores are held at once, [query][key]; the way back computes them
// anew from the logarithm of each query's sum.
#pragma once
#include <float.h>
#include <math.h>

#include "gemm.h"
#include "tensor.h"
#include "thread-scratch.h"
#include "training.h"

namespace BA_NS {
namespace {

enum { TILE = 48 };  // queries of a tile: a multiple of NR
static_assert(TILE % NR == 0, "whole panels");

constexpr float LOG2_E = 1.4426950408889634f;

// [token][head][dim] with contiguous dims.
struct Heads {
  float *data;
  int64_t token, head;  // strides in floats
  float *at(int64_t t, int64_t h) const { return data + t * token + h * head; }
  Matrix rows(int64_t t, int64_t h) const { return plain(at(t, h), token); }
};

BA_INLINE Heads heads_of(const ggml_tensor *t) {
  return {(float *)t->data, (int64_t)(t->nb[2] / sizeof(float)), (int64_t)(t->nb[1] / sizeof(float))};
}

// The two runs of keys a query sees, as positions in its row: [first[0], last[0]) and [first[1], last[1]).
struct Runs {
  int32_t first[2], last[2];
};

struct Geometry {
  int32_t dim, heads, kv_heads, group, tokens, rows, keys_padded, dim_padded;
  float scale;
  const int32_t *runs;  // [rows * tokens][4]: first, last, first, last
};

BA_INLINE Geometry geometry(const ggml_tensor *q, const ggml_tensor *k, const ggml_tensor *runs,
                            const ba_training_rows &op) {
  Geometry g;
  g.dim = (int32_t)q->ne[0];
  g.heads = (int32_t)q->ne[1];
  g.kv_heads = (int32_t)k->ne[1];
  g.group = g.heads / g.kv_heads;
  g.tokens = op.row_tokens;
  g.rows = (int32_t)(q->ne[2] / op.row_tokens);
  g.keys_padded = round_up(g.tokens, MR);
  g.dim_padded = round_up(g.dim, MR);
  g.scale = op.scale;
  g.runs = (const int32_t *)runs->data;
  return g;
}

BA_INLINE Runs runs_of(const Geometry &g, int64_t row, int32_t query) {
  const int32_t *r = g.runs + (row * g.tokens + query) * 4;
  return {{r[0], r[2]}, {r[1], r[3]}};
}

// What a tile of queries sees together.
struct Tile {
  int32_t query, count;
  Runs runs;
  int32_t low, high;  // keys held: low is a multiple of MR
};

static Tile make_tile(const Geometry &g, int64_t row, int32_t query, int32_t count) {
  Tile t = {query, count, {{INT32_MAX, INT32_MAX}, {0, 0}}, 0, 0};
  for (int32_t i = 0; i < count; i++) {
    const Runs r = runs_of(g, row, query + i);
    for (int side = 0; side < 2; side++) {
      if (r.first[side] >= r.last[side]) continue;
      t.runs.first[side] = smaller(t.runs.first[side], r.first[side]);
      t.runs.last[side] = larger(t.runs.last[side], r.last[side]);
    }
  }
  t.low = smaller(t.runs.first[0], t.runs.first[1]) / MR * MR;
  t.high = larger(t.runs.last[0], t.runs.last[1]);
  if (t.low > t.high) t.low = t.high = 0;
  return t;
}

BA_INLINE bool sees(const Tile &t, int32_t key, int32_t end) {
  for (int side = 0; side < 2; side++)
    if (t.runs.first[side] < end && t.runs.last[side] > key) return true;
  return false;
}

// Calls f(from, to) for the stretches of keys that a tile sees: one for each of its runs, or one for both where they touch.
template <class F>
BA_INLINE void for_spans(const Tile &t, F f) {
  const int32_t from[2] = {t.runs.first[0], t.runs.first[1]}, to[2] = {t.runs.last[0], t.runs.last[1]};
  const bool both = from[0] < to[0] && from[1] < to[1];
  if (both && from[0] <= to[1] && from[1] <= to[0]) {
    f(smaller(from[0], from[1]), larger(to[0], to[1]));
    return;
  }
  for (int side = 0; side < 2; side++)
    if (from[side] < to[side]) f(from[side], to[side]);
}

// out[query][key - low] = products of packed keys [key / MR][dim][MR] with packed queries [query / NR][dim][NR].
static void scores(const Geometry &g, const Tile &t, const float *keys, const float *queries, float *out, int64_t ld) {
  for (int32_t key = t.low; key < t.high; key += MR) {
    if (!sees(t, key, key + MR)) continue;
    for (int32_t j = 0; j < t.count; j += NR)
      multiply(g.dim, keys + (int64_t)key * g.dim, queries + (int64_t)j * g.dim, out + j * ld + (key - t.low), ld, MR,
               t.count - j, false);
  }
}

// c[query][dim] = sum over keys of packed values [dim / MR][key][MR] times weights [query][key - low].
static void weigh(const Geometry &g, const Tile &t, const float *values, const float *weights, int64_t ld, float *c,
                  float *packed) {
  bool add = false;
  for_spans(t, [&](int32_t from, int32_t to) {
    for (int32_t p = from; p < to; p += KC, add = true) {
      const int32_t np = smaller((int32_t)KC, to - p);
      pack<NR>(plain(weights + (p - t.low), ld), true, 0, t.count, 0, np, packed, nullptr);
      for (int32_t j = 0; j < t.count; j += NR)
        for (int32_t i = 0; i < g.dim; i += MR)
          multiply(np, values + (int64_t)i * g.keys_padded + (int64_t)p * MR, packed + (int64_t)j * np,
                   c + (int64_t)j * g.dim + i, g.dim, g.dim - i, t.count - j, add);
    }
  });
}

// sums[key][dim] += packed rows [dim / MR][query][MR] times weights [query][key - low].
static void scatter(const Geometry &g, const Tile &t, const float *rows, const float *weights, int64_t ld, float *sums,
                    float *packed) {
  for_spans(t, [&](int32_t from, int32_t to) {
    for (int32_t key = from; key < to; key += KC / NR * NR) {
      const int32_t n = smaller(to - key, (int32_t)(KC / NR * NR));
      pack<NR>(plain(weights + (key - t.low), ld), false, 0, n, 0, t.count, packed, nullptr);
      multiply_panels(t.count, rows, packed, sums + (int64_t)key * g.dim, g.dim, g.dim, n, true);
    }
  });
}

// Calls f(begin, end) for the runs of a query that have keys, and zeroes what lies between them in [low, high).
template <class F>
BA_INLINE void for_runs(const Runs &r, const Tile &t, float *row, F f) {
  int32_t at = t.low;
  for (int side = 0; side < 2; side++) {
    if (r.first[side] >= r.last[side]) continue;
    for (; at < r.first[side]; at++) row[at - t.low] = 0;
    f(r.first[side] - t.low, r.last[side] - t.low);
    at = larger(at, r.last[side]);
  }
  for (; at < t.high; at++) row[at - t.low] = 0;
}

BA_INLINE float dot(const float *a, const float *b, int32_t count) {
  vf sum = {};
  int32_t i = 0;
  for (; i + L <= count; i += L) sum += load(a + i) * load(b + i);
  float rest = sum_lanes(sum);
  for (; i < count; i++) rest += a[i] * b[i];
  return rest;
}

// Highest value, then 2^(x - highest) in place; returns the logarithm to base 2 of the sum of 2^x.
static float soften(const Runs &r, const Tile &t, float *row) {
  vf highest = splat(-FLT_MAX);
  float top = -FLT_MAX;
  for_runs(r, t, row, [&](int32_t from, int32_t to) {
    int32_t i = from;
    for (; i + L <= to; i += L) highest = maximum(highest, load(row + i));
    for (; i < to; i++) top = larger(top, row[i]);
  });
  top = larger(top, max_lane(highest));
  float sum = 0;
  for_runs(r, t, row, [&](int32_t from, int32_t to) {
    vf partial = {};
    int32_t i = from;
    for (; i + L <= to; i += L) {
      const vf e = exp2_nonpositive(load(row + i) - splat(top));
      store(row + i, e);
      partial += e;
    }
    for (; i < to; i++) sum += row[i] = exp2_nonpositive(row[i] - top);
    sum += sum_lanes(partial);
  });
  for_runs(r, t, row, [&](int32_t from, int32_t to) {
    const float factor = 1 / sum;
    for (int32_t i = from; i < to; i++) row[i] *= factor;
  });
  return top + log2f(sum);
}

// Packs queries of one head, times `factor`, as [query / NR][dim][NR].
static void pack_queries(const Geometry &g, const Heads &q, int64_t token, int32_t head, int32_t count, float factor,
                         float *to) {
  pack<NR>(q.rows(token, head), true, 0, count, 0, g.dim, to, nullptr);
  if (factor == 1) return;
  const int64_t floats = (int64_t)round_up(count, NR) * g.dim;
  for (int64_t i = 0; i < floats; i++) to[i] *= factor;
}

// srcs: q [dim, heads, tokens], k, v [dim, kv heads, tokens], runs i32 [4, tokens], logarithms f32 [heads * tokens],
// which are written. dst [dim, heads, tokens].
static void attention(ggml_tensor *dst, int ith, int nth, const ba_training_rows &op) {
  const Geometry g = geometry(dst->src[0], dst->src[1], dst->src[3], op);
  const Heads q = heads_of(dst->src[0]), k = heads_of(dst->src[1]), v = heads_of(dst->src[2]), out = heads_of(dst);
  float *logs = (float *)dst->src[4]->data;
  const int64_t held = (int64_t)g.keys_padded * (g.dim + g.dim_padded), ld = g.keys_padded;
  float *scratch = thread_floats(held + TILE * (ld + 2 * g.dim) + (int64_t)(TILE + NR) * KC);
  if (!scratch) {
    if (ith == 0) poison((float *)dst->data, dst->ne[0] * dst->ne[1] * dst->ne[2]);
    return;
  }
  float *keys = scratch, *values = keys + (int64_t)g.keys_padded * g.dim;
  float *row_scores = values + (int64_t)g.keys_padded * g.dim_padded, *queries = row_scores + TILE * ld;
  float *result = queries + TILE * g.dim, *packed = result + TILE * g.dim;
  for (int32_t unit = ith; unit < g.rows * g.kv_heads; unit += nth) {
    const int32_t row = unit / g.kv_heads, kv = unit % g.kv_heads;
    const int64_t token = (int64_t)row * g.tokens;
    pack<MR>(k.rows(token, kv), true, 0, g.tokens, 0, g.dim, keys, nullptr);
    for (int32_t i = 0; i < g.dim; i += MR)
      pack<MR>(v.rows(token, kv), false, i, smaller((int32_t)MR, g.dim - i), 0, g.tokens,
               values + (int64_t)i * g.keys_padded, nullptr);
    for (int32_t head = kv * g.group; head < (kv + 1) * g.group; head++) {
      for (int32_t query = 0; query < g.tokens; query += TILE) {
        const Tile t = make_tile(g, row, query, smaller((int32_t)TILE, g.tokens - query));
        pack_queries(g, q, token + query, head, t.count, g.scale * LOG2_E, queries);
        scores(g, t, keys, queries, row_scores, ld);
        for (int32_t i = 0; i < t.count; i++)
          logs[(token + query + i) * g.heads + head] = soften(runs_of(g, row, query + i), t, row_scores + i * ld);
        weigh(g, t, values, row_scores, ld, result, packed);
        for (int32_t i = 0; i < t.count; i++)
          memcpy(out.at(token + query + i, head), result + (int64_t)i * g.dim, sizeof(float) * (size_t)g.dim);
      }
    }
  }
}

// srcs: as above, then the result [dim, heads, tokens] and its gradient, likewise.
// dst [dim, heads + 2 kv heads, tokens]: gradients of q, k, v.
static void attention_back(ggml_tensor *dst, int ith, int nth, const ba_training_rows &op) {
  const Geometry g = geometry(dst->src[0], dst->src[1], dst->src[3], op);
  const Heads q = heads_of(dst->src[0]), k = heads_of(dst->src[1]), v = heads_of(dst->src[2]), to = heads_of(dst);
  const Heads out = heads_of(dst->src[5]), given = heads_of(dst->src[6]);
  const float *logs = (const float *)dst->src[4]->data;
  const int64_t ld = g.keys_padded, by_key = ld * g.dim, by_dim = ld * g.dim_padded, panel = (int64_t)TILE * g.dim_padded;
  float *scratch = thread_floats(2 * by_key + by_dim + 2 * by_key + 2 * TILE * ld + 5 * panel +
                                       (int64_t)(TILE + KC + NR) * KC);
  if (!scratch) {
    if (ith == 0) poison((float *)dst->data, dst->ne[0] * dst->ne[1] * dst->ne[2]);
    return;
  }
  float *keys = scratch, *values = keys + by_key, *keys_by_dim = values + by_key;
  float *key_sums = keys_by_dim + by_dim, *value_sums = key_sums + by_key;
  float *weights = value_sums + by_key, *slopes = weights + TILE * ld;
  float *queries = slopes + TILE * ld, *gradients = queries + panel, *query_rows = gradients + panel;
  float *gradient_rows = query_rows + panel, *result = gradient_rows + panel, *packed = result + panel;
  for (int32_t unit = ith; unit < g.rows * g.kv_heads; unit += nth) {
    const int32_t row = unit / g.kv_heads, kv = unit % g.kv_heads;
    const int64_t token = (int64_t)row * g.tokens;
    pack<MR>(k.rows(token, kv), true, 0, g.tokens, 0, g.dim, keys, nullptr);
    pack<MR>(v.rows(token, kv), true, 0, g.tokens, 0, g.dim, values, nullptr);
    for (int32_t i = 0; i < g.dim; i += MR)
      pack<MR>(k.rows(token, kv), false, i, smaller((int32_t)MR, g.dim - i), 0, g.tokens,
               keys_by_dim + (int64_t)i * g.keys_padded, nullptr);
    memset(key_sums, 0, sizeof(float) * 2 * (size_t)by_key);
    for (int32_t head = kv * g.group; head < (kv + 1) * g.group; head++) {
      for (int32_t query = 0; query < g.tokens; query += TILE) {
        const Tile t = make_tile(g, row, query, smaller((int32_t)TILE, g.tokens - query));
        const int64_t first = token + query;
        pack_queries(g, q, first, head, t.count, g.scale * LOG2_E, queries);
        pack_queries(g, given, first, head, t.count, 1, gradients);
        scores(g, t, keys, queries, weights, ld);
        scores(g, t, values, gradients, slopes, ld);
        for (int32_t i = 0; i < t.count; i++) {
          const float *o = out.at(first + i, head), *d = given.at(first + i, head);
          const float mean = dot(o, d, g.dim);
          const float log = logs[(first + i) * g.heads + head];
          float *w = weights + i * ld, *s = slopes + i * ld;
          const Runs r = runs_of(g, row, query + i);
          for_runs(r, t, s, [&](int32_t, int32_t) {});
          for_runs(r, t, w, [&](int32_t from, int32_t end) {
            int32_t x = from;
            for (; x + L <= end; x += L) {
              const vf p = exp2_nonpositive(load(w + x) - splat(log));
              store(w + x, p);
              store(s + x, p * (load(s + x) - splat(mean)) * splat(g.scale));
            }
            for (; x < end; x++) {
              w[x] = exp2_nonpositive(w[x] - log);
              s[x] = w[x] * (s[x] - mean) * g.scale;
            }
          });
        }
        weigh(g, t, keys_by_dim, slopes, ld, result, packed);
        for (int32_t i = 0; i < t.count; i++)
          memcpy(to.at(first + i, head), result + (int64_t)i * g.dim, sizeof(float) * (size_t)g.dim);
        pack<MR>(given.rows(first, head), false, 0, g.dim, 0, t.count, gradient_rows, nullptr);
        scatter(g, t, gradient_rows, weights, ld, value_sums, packed);
        pack<MR>(q.rows(first, head), false, 0, g.dim, 0, t.count, query_rows, nullptr);
        scatter(g, t, query_rows, slopes, ld, key_sums, packed);
      }
    }
    for (int32_t i = 0; i < g.tokens; i++) {
      memcpy(to.at(token + i, g.heads + kv), key_sums + (int64_t)i * g.dim, sizeof(float) * (size_t)g.dim);
      memcpy(to.at(token + i, g.heads + g.kv_heads + kv), value_sums + (int64_t)i * g.dim,
             sizeof(float) * (size_t)g.dim);
    }
  }
}

}  // namespace
}  // namespace BA_NS
