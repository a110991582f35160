// What is read next, so that memory can be asked for it while there is something else to compute.
#pragma once
#include "work.h"

namespace BA_NS {
namespace {

// The bytes of a tile; none of either where there is nothing.
struct Ahead {
  const char *k, *v;
  int64_t k_bytes, v_bytes, v_row;
  int32_t v_rows;
};

static Ahead ahead(const ba_params &p, const Segment &segment, int32_t kv, Keys keys, int32_t tile) {
  const ba_block &b = *segment.block;
  const Source s = source(b, p.head_dim, kv);
  const int32_t n = smaller(tile, keys.end - keys.begin);
  const int32_t v_rows = p.latent > 0 ? 0 : p.head_dim;
  return {s.k + keys.begin * s.k_row, s.v + row_bytes(b.type, keys.begin), n * s.k_row, row_bytes(b.type, n), s.v_row,
          v_rows};
}

// The first tile behind a segment; nothing when it is the last or the next has no visible key.
static Ahead after(const Problem &problem, const Unit &unit, const Segment &segment, int32_t tile) {
  if (segment.next < 0) return {};
  const Segment &next = problem.plan.segments[segment.next];
  const Keys keys = visible(*problem.params, next, unit.chunk);
  return keys.end > keys.begin ? ahead(*problem.params, next, unit.kv, keys, tile) : Ahead{};
}

// Rows of V^T that follow each other in memory without a gap.
BA_INLINE bool is_joined(const Ahead &tile) { return tile.v_bytes == tile.v_row; }

// Goes through a tile and the one behind it in the order in which they are read (K, V, K, V), and stays at the end.
// Where rows of V^T lie apart it ends at the first of them.
class Walk {
 public:
  const bool joined;  // whether it goes through the values of the tile

  // Begins `skip` bytes from the beginning.
  Walk(const Ahead &now, const Ahead &next, int64_t skip) : joined(is_joined(now)) {
    add(now.k, now.k_bytes);
    if (joined) {
      add(now.v, now.v_bytes * now.v_rows);
      add(next.k, next.k_bytes);
      if (is_joined(next)) add(next.v, next.v_bytes * next.v_rows);
    }
    while (skip > 0 && piece_ < pieces_) {
      const int64_t step = smaller(skip, left_[piece_]);
      take(step);
      skip -= step;
    }
  }

  // The next bytes. What does not fit into the stretch at hand is left out.
  const char *take(int64_t bytes) {
    if (piece_ == pieces_) return at_[0];
    const char *here = at_[piece_];
    at_[piece_] += bytes;
    left_[piece_] -= bytes;
    if (left_[piece_] <= 0) piece_++;
    return here;
  }

 private:
  void add(const char *at, int64_t bytes) {
    if (bytes <= 0) return;
    at_[pieces_] = at;
    left_[pieces_++] = bytes;
  }

  const char *at_[4] = {};
  int64_t left_[4] = {};
  int32_t pieces_ = 0, piece_ = 0;
};

}  // namespace
}  // namespace BA_NS
