// Linear layers of experts: every row meets the matrices that a router chose for it.
//
// Other than in linear_float.h the outputs are the lanes of a vector and rows are broadcast, of floats as well: of many
// experts most meet few rows, and many of those are no panel. A row is packed once, whoever reads it; weights are
// unpacked, and transposed, a tile at a time, once for all rows of their expert. Sums are added in the same order, so
// results have the bits of ba_linear_run over the expert's rows.
#pragma once
#include "experts_float.h"
#include "outputs_bf16.h"
#include "outputs_int8.h"

namespace BA_NS {
namespace {

// The packed memory. Entries (token, place) are numbered as results are: token * used + place.
struct Route {
  int32_t *starts;   // [experts + 3]: entries of expert e are [starts[e + 1], starts[e + 2])
  int32_t *entries;  // by expert, ascending; those that name no expert last
  char *rows;        // [tokens * x_rows], packed
  int64_t bytes;
};

static Route lay_out(const ba::Experts &p) {
  const int64_t starts = align64((p.experts + 3) * 4), entries = align64(p.tokens * p.used * 4);
  const int64_t row = format(p.type).integer  ? int8_row_bytes(p.k)
                      : is_paired(p.type, p.k) ? pair_row_bytes(p.k)
                                               : float_row_bytes(p.k);
  Route r;
  r.starts = (int32_t *)p.packed;
  r.entries = (int32_t *)(p.packed + starts);
  r.rows = p.packed + starts + entries;
  r.bytes = starts + entries + p.tokens * p.x_rows * row;
  return r;
}

static int64_t experts_bytes(const ba::Experts &p) {
  const Format f = format(p.type);
  const int64_t limit = INT64_C(1) << 30;
  if (f.group == 0 || p.k <= 0 || p.n <= 0 || p.experts <= 0 || p.used <= 0 || p.tokens <= 0) return -1;
  if (p.k > limit || p.n > limit || p.experts > limit || p.used > limit || p.tokens > limit / p.used) return -1;
  if (p.x_rows != 1 && p.x_rows != p.used) return -1;
  if (p.k % f.group != 0 || p.n % 8 != 0) return -1;
#if !defined(__AVX2__)
  if (f.integer) return -1;
#endif
  ba::Experts measure = p;
  measure.packed = nullptr;
  return lay_out(measure).bytes;
}

// Which expert an entry names; `experts` where there is none such.
BA_INLINE int64_t expert_of(const ba::Experts &p, int64_t entry) {
  const int32_t e = p.ids[entry / p.used * p.ids_token + entry % p.used];
  return e >= 0 && e < p.experts ? e : p.experts;
}

static void group_entries(const ba::Experts &p, const Route &r) {
  const int64_t entries = p.tokens * p.used;
  memset(r.starts, 0, (size_t)(p.experts + 3) * 4);
  for (int64_t i = 0; i < entries; i++) r.starts[expert_of(p, i) + 1]++;
  for (int64_t e = 1; e < p.experts + 3; e++) r.starts[e] += r.starts[e - 1];
  // Backwards, so that each expert's end becomes its start.
  for (int64_t i = entries - 1; i >= 0; i--) r.entries[--r.starts[expert_of(p, i) + 1]] = (int32_t)i;
}

static void pack_experts(const ba::Experts &p, int32_t ith, int32_t nth) {
  const Route r = lay_out(p);
  if (ith == nth - 1) group_entries(p, r);
  const int64_t rows = p.tokens * p.x_rows;
  const auto source = [&](int64_t row) { return p.x + row / p.x_rows * p.x_token + row % p.x_rows * p.x_row; };
#if defined(__AVX2__)
  if (format(p.type).integer) return pack_int8_rows(p.type, p.k, rows, source, r.rows, ith, nth);
#endif
#if defined(__AVX512BF16__)
  if (is_paired(p.type, p.k)) return pack_pair_rows(p.k, rows, source, r.rows, ith, nth);
#endif
  pack_float_rows(p.type, p.k, rows, source, r.rows, ith, nth);
}

// Calls f(expert, its entries, how many) for each that has any.
template <class F>
BA_INLINE void for_experts(const ba::Experts &p, const Route &r, F f) {
  for (int64_t e = 0; e < p.experts; e++) {
    const int32_t first = r.starts[e + 1], count = r.starts[e + 2] - first;
    if (count > 0) f(e, r.entries + first, count);
  }
}

static void multiply_experts(const ba::Experts &p, int32_t ith, int32_t nth) {
  const Route r = lay_out(p);
  if (ith == 0)
    // No one can take these for results.
    for (int32_t i = r.starts[p.experts + 1]; i < r.starts[p.experts + 2]; i++)
      memset(p.y + r.entries[i] * p.n, 0xff, (size_t)p.n * sizeof(float));
  const auto row_of = [&](int32_t entry) { return p.x_rows == 1 ? entry / p.used : entry; };
  // Threads split the outputs, of every expert: none waits for one with many rows.
  const OutputShare own = output_share(p.n, ith, nth);
  for_experts(p, r, [&](int64_t e, const int32_t *entries, int32_t count) {
    const Outputs of = {p.type, p.k, p.weight + e * p.weight_expert, p.weight_row, r.rows, p.y, p.n, own.from, own.to};
#if defined(__AVX2__)
    if (multiply_int8(of, entries, count, row_of)) return;
#endif
#if defined(__AVX512BF16__)
    if (is_paired(p.type, p.k)) return multiply_paired(of, entries, count, row_of);
#endif
    multiply_float_outputs(of, entries, count, row_of);
  });
}

}  // namespace
}  // namespace BA_NS
