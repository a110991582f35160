// Which query rows meet which blocks: the batch regrouped so that a block shared by several sequences is read once.
//
// A run is a set of sequences (its members) and the segments - blocks, or one sequence's own K/V - that all of them
// attend to. Run i < n_sequences is private to sequence i; shared runs follow. Every thread builds the same plan, in
// memory the caller gives: no allocation, and no dependence on addresses except to tell blocks apart.
#pragma once
#include "block_attention.h"
#include "vec.h"

namespace BA_NS {
namespace {

// Only sequences with this few queries are regrouped: with more, arithmetic outweighs reading.
enum { SHAREABLE_QUERIES = 4 };
// Partial results of shared runs cost memory per member row; what goes beyond this many rows per row stays private.
enum { SHARED_ROWS_PER_ROW = 8 };

struct Segment {
  const ba_block *block;
  int32_t next;  // -1: the last of its run
  int32_t own;   // causal
};

struct Run {
  int32_t member;  // first of `members` entries of Plan::members
  int32_t members;
  int32_t queries;      // of all members together
  int32_t first, last;  // segments; -1: none
};

struct Plan {
  Run *runs;
  Segment *segments;
  int32_t *members;  // sequence numbers
  int32_t n_runs, n_segments, n_members;
};

struct Occurrence {
  int32_t sequence, next;
};
struct Group {  // of sequences that use one block at one position; one that uses it twice is there twice
  const ba_block *block;
  int32_t first, last, count;
  uint32_t signature;  // of the sequences
};

struct Counts {
  int64_t blocks, queries, shareable_queries;
  int64_t rows;  // of q: one past the last that a sequence has
  int32_t shareable;
};

BA_INLINE bool is_shareable(const ba_sequence &s) {
  return s.n_queries > 0 && s.n_queries <= SHAREABLE_QUERIES && s.n_blocks > 0;
}

static Counts count(const ba_params &p) {
  Counts c = {};
  for (int32_t i = 0; i < p.n_sequences; i++) {
    const ba_sequence &s = p.sequences[i];
    c.blocks += s.n_blocks;
    c.queries += s.n_queries;
    c.rows = larger<int64_t>(c.rows, (int64_t)s.row + s.n_queries);
    if (!is_shareable(s)) continue;
    c.shareable++;
    c.shareable_queries += s.n_queries;
  }
  return c;
}

// Upper bound of the queries of all runs.
BA_INLINE int64_t run_queries_bound(const Counts &c) {
  return c.queries + (c.shareable > 1 ? SHARED_ROWS_PER_ROW * c.shareable_queries : 0);
}

BA_INLINE int64_t table_size(int64_t blocks) {
  int64_t size = 16;
  while (size < 2 * blocks) size *= 2;
  return size;
}

// Hands out pieces of one allocation; with a null base it only measures.
struct Arena {
  char *base;
  int64_t used;
  template <typename T>
  T *take(int64_t n) {
    T *at = base ? (T *)(base + used) : nullptr;
    used += align64(n * (int64_t)sizeof(T));
    return at;
  }
};

struct PlanMemory {
  Run *runs;
  Segment *segments;
  int32_t *members;
  Occurrence *occurrences;
  Group *groups;
  int32_t *group_table, *run_table;
  int64_t table;
};

static PlanMemory plan_memory(Arena &arena, const ba_params &p, const Counts &c) {
  PlanMemory m;
  const bool sharing = c.shareable > 1;
  m.table = sharing ? table_size(c.blocks) : 0;
  m.runs = arena.take<Run>(p.n_sequences + (sharing ? c.blocks / 2 : 0));
  m.segments = arena.take<Segment>(p.n_sequences + c.blocks);
  m.members = arena.take<int32_t>(p.n_sequences + (sharing ? c.blocks : 0));
  m.occurrences = arena.take<Occurrence>(sharing ? c.blocks : 0);
  m.groups = arena.take<Group>(sharing ? c.blocks : 0);
  m.group_table = arena.take<int32_t>(m.table);
  m.run_table = arena.take<int32_t>(m.table);
  return m;
}

static void append(Plan &plan, Run &run, const ba_block *block, bool own) {
  const int32_t at = plan.n_segments++;
  plan.segments[at] = {block, -1, own};
  if (run.first < 0)
    run.first = at;
  else
    plan.segments[run.last].next = at;
  run.last = at;
}

BA_INLINE bool same_block(const ba_block &a, const ba_block &b) {
  return a.k == b.k && a.v == b.v && a.start == b.start && a.n == b.n && a.n_pad == b.n_pad && a.type == b.type &&
         a.hidden == b.hidden && (a.cos == nullptr) == (b.cos == nullptr);
}

BA_INLINE uint32_t mix(uint64_t x) {
  x *= UINT64_C(0x9e3779b97f4a7c15);
  return (uint32_t)(x >> 32);
}

// Collects the blocks of the shareable sequences into groups; returns their number.
static int32_t group_blocks(const ba_params &p, PlanMemory &m) {
  int32_t n_groups = 0, n_occurrences = 0;
  for (int64_t i = 0; i < m.table; i++) m.group_table[i] = -1;
  for (int32_t s = 0; s < p.n_sequences; s++) {
    if (!is_shareable(p.sequences[s])) continue;
    for (int32_t b = 0; b < p.sequences[s].n_blocks; b++) {
      const ba_block &block = p.sequences[s].blocks[b];
      const int32_t occurrence = n_occurrences++;
      m.occurrences[occurrence] = {s, -1};
      int64_t slot = mix((uint64_t)(uintptr_t)block.k / 64 + ((uint64_t)(uint32_t)block.start << 32)) & (m.table - 1);
      int32_t g;
      while ((g = m.group_table[slot]) >= 0 && !same_block(*m.groups[g].block, block))
        slot = (slot + 1) & (m.table - 1);
      if (g < 0) {
        m.group_table[slot] = n_groups;
        m.groups[n_groups++] = {&block, occurrence, occurrence, 1, mix((uint64_t)s + 1)};
        continue;
      }
      Group &group = m.groups[g];
      m.occurrences[group.last].next = occurrence;
      group.last = occurrence;
      group.count++;
      group.signature = mix(((uint64_t)group.signature << 20) + (uint64_t)s + 1);
    }
  }
  return n_groups;
}

static bool has_members(const Plan &plan, const Run &run, const Group &group, const Occurrence *occurrences) {
  if (run.members != group.count) return false;
  int32_t at = group.first;
  for (int32_t i = 0; i < run.members; i++, at = occurrences[at].next)
    if (plan.members[run.member + i] != occurrences[at].sequence) return false;
  return true;
}

// Puts each group into the run of its sequences, made at need; a group of one sequence into that one's private run.
static void place_groups(Plan &plan, const ba_params &p, PlanMemory &m, int32_t n_groups, int64_t queries_left) {
  for (int64_t i = 0; i < m.table; i++) m.run_table[i] = -1;
  for (int32_t g = 0; g < n_groups; g++) {
    const Group &group = m.groups[g];
    int32_t run = -1;
    if (group.count > 1) {
      int64_t slot = group.signature & (m.table - 1);
      while ((run = m.run_table[slot]) >= 0 && !has_members(plan, plan.runs[run], group, m.occurrences))
        slot = (slot + 1) & (m.table - 1);
      if (run < 0) {
        int32_t queries = 0;
        for (int32_t o = group.first; o >= 0; o = m.occurrences[o].next)
          queries += p.sequences[m.occurrences[o].sequence].n_queries;
        if (queries <= queries_left) {
          queries_left -= queries;
          run = m.run_table[slot] = plan.n_runs++;
          plan.runs[run] = {plan.n_members, group.count, queries, -1, -1};
          for (int32_t o = group.first; o >= 0; o = m.occurrences[o].next)
            plan.members[plan.n_members++] = m.occurrences[o].sequence;
        }
      }
    }
    if (run >= 0) {
      append(plan, plan.runs[run], group.block, false);
      continue;
    }
    for (int32_t o = group.first; o >= 0; o = m.occurrences[o].next)
      append(plan, plan.runs[m.occurrences[o].sequence], group.block, false);
  }
}

static Plan make_plan(const ba_params &p, const Counts &c, PlanMemory m) {
  Plan plan = {m.runs, m.segments, m.members, p.n_sequences, 0, p.n_sequences};
  const bool sharing = c.shareable > 1;
  for (int32_t s = 0; s < p.n_sequences; s++) {
    plan.members[s] = s;
    plan.runs[s] = {s, 1, p.sequences[s].n_queries, -1, -1};
  }
  if (sharing) place_groups(plan, p, m, group_blocks(p, m), SHARED_ROWS_PER_ROW * c.shareable_queries);
  for (int32_t s = 0; s < p.n_sequences; s++) {
    const ba_sequence &sequence = p.sequences[s];
    if (sequence.n_queries <= 0) continue;
    if (!sharing || !is_shareable(sequence))
      for (int32_t b = 0; b < sequence.n_blocks; b++) append(plan, plan.runs[s], &sequence.blocks[b], false);
    append(plan, plan.runs[s], &sequence.own, true);
  }
  return plan;
}

}  // namespace
}  // namespace BA_NS
