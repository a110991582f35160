// One thread's working memory, and where partial results go.
#pragma once
#include "kernel.h"
#include "micro.h"
#include "types.h"
#include "units.h"

namespace BA_NS {
namespace {

// A maximum below REAL_SCORE means that a row has seen no key yet; MASKED lies below every score.
static const float NO_SCORE = -1e30f, REAL_SCORE = -1e29f, MASKED = -3e38f;

enum {
  WIDE_TILE = 64,     // keys converted at a time: K, V and scores of one must stay near the L1 cache
  NARROW_TILE = 512,  // keys read at a time: long enough to stream along the rows of V
};

using ba::Rows;

struct Partials {
  float *out;            // [row][values], not yet divided by sum
  float *maximum, *sum;  // [row], base 2
};

// Elements of a value, and of a result.
BA_INLINE int32_t value_dim(const ba_params &p) { return p.latent > 0 ? p.latent : p.head_dim; }

struct Work {
  int32_t dim;           // head_dim
  int32_t values;        // elements of a value
  bool latent;           // values are the last elements of the keys
  int32_t padded;        // head_dim up to whole vectors
  float *q;              // wide: panels of [head_dim][lanes]; narrow: [row][padded]; scaled by scale * log2(e)
  float *rotated;        // the same
  float *out;            // the same
  float *maximum, *sum;  // [row]
  int32_t *position, *begin, *end;  // [row]: of the query; the keys it sees of the current segment
  float *scores;                    // wide: [WIDE_TILE][panel]; narrow: [row][NARROW_TILE]
  float *k, *v;                     // wide: the current tile as f32, [WIDE_TILE][k_stride], [values][v_stride]
  int32_t k_stride, v_stride;
  float cap;  // of the scores, in base 2; 0: off
};

static Work work_memory(Arena &arena, const ba_params &p) {
  Work w;
  w.dim = p.head_dim;
  w.values = value_dim(p);
  w.latent = p.latent > 0;
  w.padded = round_up(p.head_dim, L);
  w.cap = p.softcap * 1.44269504f;
  // Some floats beyond a power of two keep the rows of a tile out of each other's cache sets.
  w.k_stride = w.padded + 16;
  w.v_stride = WIDE_TILE + 16;
  w.q = arena.take<float>((int64_t)w.padded * MAX_ROWS);
  w.rotated = arena.take<float>((int64_t)w.padded * MAX_ROWS);
  w.out = arena.take<float>((int64_t)w.padded * MAX_ROWS);
  w.maximum = arena.take<float>(MAX_ROWS);
  w.sum = arena.take<float>(MAX_ROWS);
  w.position = arena.take<int32_t>(MAX_ROWS);
  w.begin = arena.take<int32_t>(MAX_ROWS);
  w.end = arena.take<int32_t>(MAX_ROWS);
  w.scores = arena.take<float>(larger((int)WIDE_TILE * PANEL * L, NARROW_ROWS * NARROW_TILE));
  w.k = arena.take<float>((int64_t)WIDE_TILE * w.k_stride);
  w.v = arena.take<float>(w.latent ? 0 : (int64_t)w.values * w.v_stride);
  return w;
}

// Scores [0, n) s become cap * tanh(s / cap), up to whole vectors.
static void cap_scores(float *scores, int32_t n, float cap) {
  const vf inverse = splat(1 / cap);
  for (int32_t i = 0; i < n; i += L) store(scores + i, tanh_of(load(scores + i) * inverse) * splat(cap));
}

// The K and V of one kv head of a block.
struct Source {
  const char *k, *v;
  int64_t k_row, v_row;  // bytes
};

BA_INLINE Source source(const ba_block &b, int32_t dim, int32_t kv) {
  Source s;
  s.k_row = row_bytes(b.type, dim);
  s.v_row = row_bytes(b.type, b.n_pad);
  s.k = (const char *)b.k + (int64_t)kv * b.n_pad * s.k_row;
  // Not read where the values lie in the keys; there may be none then.
  s.v = (const char *)(b.v ? b.v : b.k) + (int64_t)kv * dim * s.v_row;
  return s;
}

// First dimensions of the two halves of rotated pair i.
BA_INLINE int32_t pair_first(const ba_params &p, int32_t i) { return p.rope_neox ? i : 2 * i; }
BA_INLINE int32_t pair_second(const ba_params &p, int32_t i) { return p.rope_neox ? i + p.n_rot / 2 : 2 * i + 1; }

}  // namespace
}  // namespace BA_NS
