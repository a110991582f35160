// Cutting the plan into stretches, and finding their partial results again.
//
// A unit is a chunk of a run's query rows for one kv head. Units lie on one cost axis in a fixed order, which is cut into
// stretches; where one ends within a segment, its keys are cut at a multiple of KEY_STEP. Threads take the stretches in
// turn, each the next one as it is done with its last: one that the system holds up does less.
// Row r of a run is (member, query, head of the group), the head running fastest.
#pragma once
#include "plan.h"

namespace BA_NS {
namespace {

enum {
  NARROW_ROWS = L == 16 ? 12 : L,  // up to here rows are done one by one, above they are lanes
  MAX_ROWS = 192,                  // rows of a chunk: q, rotated q and output of one must stay in the L2 cache
  KEY_STEP = 64,                   // a multiple of the q8_0 group
  ROW_COST = 4,                    // reading and converting a key, in the unit of multiplying it with one row
  SEGMENT_COST = 8,                // rotating the queries, in keys
  MAX_ROUNDS = 6,                  // of stretches, after the first
  STRETCH_COST = 1 << 16,          // at least, after the first round: about 0.2 ms
};

struct Problem {
  const ba_params *params;
  int32_t group;  // query heads per kv head
  Plan plan;
};

struct Keys {
  int32_t begin, end;
};

struct Stretch {  // of the cost axis
  int64_t from, to;
};

struct Chunk {
  const Run *run;
  int32_t row, rows;    // [row, row + rows) of the run
  int32_t position[2];  // lowest and highest of its queries
};

struct Unit {
  Chunk chunk;
  int32_t kv;
  int64_t cost, at;     // [at, at + cost) of the cost axis
  int64_t partial_row;  // rows of all units before it
};

// Calls f(index within the chunk, sequence, query, head of the group) for every row of a chunk.
template <class F>
BA_INLINE void for_rows(const Problem &problem, const Chunk &chunk, F f) {
  int32_t before = 0;
  for (int32_t i = 0; i < chunk.run->members; i++) {
    const ba_sequence &s = problem.params->sequences[problem.plan.members[chunk.run->member + i]];
    const int32_t rows = s.n_queries * problem.group;
    const int32_t end = smaller(rows, chunk.row + chunk.rows - before);
    for (int32_t r = larger(0, chunk.row - before); r < end; r++)
      f(before + r - chunk.row, s, r / problem.group, r % problem.group);
    before += rows;
    if (before >= chunk.row + chunk.rows) return;
  }
}

static Chunk make_chunk(const Problem &problem, const Run &run, int32_t row, int32_t rows) {
  Chunk chunk = {&run, row, rows, {INT32_MAX, INT32_MIN}};
  int32_t before = 0;
  for (int32_t i = 0; i < run.members && before < row + rows; i++) {
    const ba_sequence &s = problem.params->sequences[problem.plan.members[run.member + i]];
    const int32_t end = before + s.n_queries * problem.group;
    if (end > row && s.n_queries > 0) {
      const int32_t first = larger(row - before, 0) / problem.group;
      const int32_t last = (smaller(end, row + rows) - 1 - before) / problem.group;
      chunk.position[0] = smaller(chunk.position[0], s.position + first);
      chunk.position[1] = larger(chunk.position[1], s.position + last);
    }
    before = end;
  }
  return chunk;
}

// Keys of a segment that a query at `position` sees, as indices into the block.
BA_INLINE Keys visible(const ba_params &p, const Segment &s, int32_t position) {
  const int64_t distance = (int64_t)position - s.block->start;
  const int64_t begin = p.window > 0 ? distance - p.window + 1 : 0;
  const int64_t end = s.own ? distance + 1 : s.block->n;
  return {(int32_t)smaller<int64_t>(larger<int64_t>(begin, s.block->hidden), s.block->n),
          (int32_t)larger<int64_t>(smaller<int64_t>(end, s.block->n), 0)};
}

// Keys that any query of a chunk sees; the beginning lies on a group of q8_0.
BA_INLINE Keys visible(const ba_params &p, const Segment &s, const Chunk &chunk) {
  const int32_t begin = visible(p, s, chunk.position[0]).begin / 32 * 32;
  return {begin, larger(begin, visible(p, s, chunk.position[1]).end)};
}

// Values that lie in the keys are no rows to take products along: such models have many heads to a key, too.
BA_INLINE bool is_narrow(const ba_params &p, int32_t rows) { return rows <= NARROW_ROWS && p.latent == 0; }

BA_INLINE int64_t key_cost(const ba_params &p, int32_t rows) {
  return (is_narrow(p, rows) ? rows : round_up(rows, L)) + ROW_COST;
}

static int64_t chunk_cost(const Problem &problem, const Chunk &chunk) {
  int64_t keys = 0;
  for (int32_t s = chunk.run->first; s >= 0; s = problem.plan.segments[s].next) {
    const Keys k = visible(*problem.params, problem.plan.segments[s], chunk);
    if (k.end > k.begin) keys += k.end - k.begin + SEGMENT_COST;
  }
  return keys * key_cost(*problem.params, chunk.rows);
}

BA_INLINE int32_t chunk_rows(int32_t rows) {
  const int32_t chunks = (rows + MAX_ROWS - 1) / MAX_ROWS;
  return round_up((rows + chunks - 1) / chunks, L);
}

// Calls f(unit) for every unit that has any cost, in order; returns the end of the cost axis.
template <class F>
BA_INLINE int64_t for_units(const Problem &problem, F f) {
  Unit unit = {};
  for (int32_t r = 0; r < problem.plan.n_runs; r++) {
    const Run &run = problem.plan.runs[r];
    const int32_t rows = run.queries * problem.group;
    for (int32_t row = 0, step = rows > 0 ? chunk_rows(rows) : 0; row < rows; row += step) {
      unit.chunk = make_chunk(problem, run, row, smaller(step, rows - row));
      unit.cost = chunk_cost(problem, unit.chunk);
      for (unit.kv = 0; unit.kv < problem.params->kv_heads; unit.kv++) {
        if (unit.cost > 0) f(unit);
        unit.at += unit.cost;
        unit.partial_row += unit.chunk.rows;
      }
    }
  }
  return unit.at;
}

// How many threads the work is cut for. Threads take stretches in turn, so there may be more or fewer of them.
BA_INLINE int32_t cut_for(const ba_params &p, int32_t nth) { return p.cut > 0 ? p.cut : nth; }

// How `nth` threads cut a cost axis: every round has one stretch for each.
struct Cut {
  int64_t total;
  int32_t nth, rounds;
};

static Cut cut_axis(int64_t total, int32_t nth) {
  int32_t more = 0;
  while (nth > 1 && more < MAX_ROUNDS && (total >> (more + 1)) / nth >= STRETCH_COST) more++;
  return {total, nth, 1 + more};
}

BA_INLINE int32_t stretches(const Cut &cut) { return cut.nth * cut.rounds; }

// Stretch i. Each round takes half of what is left, the last one all: long stretches first, short ones in the end, when
// threads would wait for each other.
BA_INLINE Stretch make_stretch(const Cut &cut, int32_t i) {
  const int32_t round = i / cut.nth, at = i % cut.nth;
  const int64_t left = cut.total >> round, taken = round + 1 < cut.rounds ? left - (left >> 1) : left;
  return {cut.total - left + share(taken, at, cut.nth), cut.total - left + share(taken, at + 1, cut.nth)};
}

// The first row of a stretch's partial results of a unit. Stretches follow each other as units do, so with MAX_ROWS to
// spare for each no two of them meet.
BA_INLINE int64_t partial_row(const Unit &unit, int32_t stretch) {
  return unit.partial_row + (int64_t)stretch * MAX_ROWS;
}

BA_INLINE int64_t partial_rows_bound(const ba_params &p, const Counts &c, int32_t nth) {
  return run_queries_bound(c) * p.heads + (int64_t)nth * (nth > 1 ? MAX_ROUNDS + 1 : 1) * MAX_ROWS;
}

// The keys of a segment of a unit, which lies at [at, ...) on the cost axis, that fall into a stretch.
BA_INLINE Keys split_keys(Keys keys, int64_t at, Stretch stretch, int64_t per_key) {
  const int64_t n = keys.end - keys.begin;
  const int64_t cut[2] = {(stretch.from - at) / per_key, (stretch.to - at) / per_key};
  int32_t edge[2];
  for (int i = 0; i < 2; i++)
    edge[i] = cut[i] >= n ? keys.end : keys.begin + (cut[i] <= 0 ? 0 : (int32_t)cut[i] / KEY_STEP * KEY_STEP);
  return {edge[0], edge[1]};
}

}  // namespace
}  // namespace BA_NS
