// The two stages of the kernel, for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "kernel.h"
#include "narrow.h"
#include "wide.h"

namespace BA_NS {
namespace {

// Which stretch comes next. Zero between calls: the last thread to find none left puts it back.
struct Turns {
  int32_t next, done;
};

struct Scratch {
  Turns *turns;
  PlanMemory plan;
  Work work;
  Partials partials;
  float *merged_maximum, *merged_sum;  // [c.rows * heads]
  int64_t bytes;
};

// Lays the scratch out for thread ith; with a null base only `bytes` means anything.
static Scratch lay_out(const ba_params &p, const Counts &c, char *base, int32_t ith, int32_t nth) {
  Scratch s;
  Arena measure = {nullptr, 0};
  plan_memory(measure, p, c);
  work_memory(measure, p);
  const int64_t per_thread = measure.used;
  // First, where it is whatever the shape.
  Arena front = {base, 0};
  s.turns = front.take<Turns>(1);
  Arena own = {base, front.used + per_thread * ith};
  s.plan = plan_memory(own, p, c);
  s.work = work_memory(own, p);
  Arena shared = {base, front.used + per_thread * nth};
  const int64_t rows = partial_rows_bound(p, c, cut_for(p, nth));
  s.partials.out = shared.take<float>(rows * value_dim(p));
  s.partials.maximum = shared.take<float>(rows);
  s.partials.sum = shared.take<float>(rows);
  s.merged_maximum = shared.take<float>(c.rows * p.heads);
  s.merged_sum = shared.take<float>(c.rows * p.heads);
  s.bytes = shared.used;
  return s;
}

static int64_t scratch_bytes(const ba_params &p, int32_t nth) { return lay_out(p, count(p), nullptr, 0, nth).bytes; }

static void attend_unit(const Problem &problem, const Unit &unit, const Rows &q, const Work &w, Stretch stretch) {
  const bool narrow = is_narrow(*problem.params, unit.chunk.rows);
  if (narrow)
    load_narrow(problem, unit, q, w);
  else
    load_wide(problem, unit, q, w);
  const int64_t per_key = key_cost(*problem.params, unit.chunk.rows);
  int64_t at = unit.at;
  bool begun = false;
  for (int32_t i = unit.chunk.run->first; i >= 0 && at < stretch.to; i = problem.plan.segments[i].next) {
    const Segment &segment = problem.plan.segments[i];
    const Keys keys = visible(*problem.params, segment, unit.chunk);
    if (keys.end <= keys.begin) continue;
    const int64_t end = at + (keys.end - keys.begin + SEGMENT_COST) * per_key;
    if (end > stretch.from) {
      const Keys mine = split_keys(keys, at, stretch, per_key);
      if (mine.end > mine.begin) {
        const Ahead next = after(problem, unit, segment, narrow ? NARROW_TILE : WIDE_TILE);
        if (narrow && !begun) ask_for_first(problem, unit, segment, mine, next);
        begun = true;
        if (narrow)
          attend_narrow(problem, unit, segment, mine, next, w);
        else
          attend_wide(problem, unit, segment, mine, next, w);
      }
    }
    at = end;
  }
}

static void attend(const ba_params &p, const Rows &q, void *scratch, int32_t ith, int32_t nth) {
  const Counts c = count(p);
  const Scratch s = lay_out(p, c, (char *)scratch, ith, nth);
  const Problem problem = {&p, p.heads / p.kv_heads, make_plan(p, c, s.plan)};
  const Cut cut = cut_axis(for_units(problem, [](const Unit &) {}), cut_for(p, nth));
  for (int32_t i; (i = __atomic_fetch_add(&s.turns->next, 1, __ATOMIC_RELAXED)) < stretches(cut);) {
    const Stretch stretch = make_stretch(cut, i);
    for_units(problem, [&](const Unit &unit) {
      if (unit.at >= stretch.to || unit.at + unit.cost <= stretch.from) return;
      attend_unit(problem, unit, q, s.work, stretch);
      const int64_t first = partial_row(unit, i);
      if (is_narrow(p, unit.chunk.rows))
        store_narrow(unit, s.partials, first, s.work);
      else
        store_wide(unit, s.partials, first, s.work);
    });
  }
  if (__atomic_add_fetch(&s.turns->done, 1, __ATOMIC_ACQ_REL) < nth) return;
  // The barrier between nodes makes it known to the others.
  s.turns->next = s.turns->done = 0;
}

// True when a row met no key. A NaN score leaves no maximum but shows in the sum.
BA_INLINE bool is_empty(float maximum, float sum) { return maximum < REAL_SCORE && sum == sum; }

// Adds one partial row to the result so far.
static void add_partial(const Partials &from, int64_t row, int32_t dim, float *out, float *maximum, float *sum) {
  const float m = from.maximum[row];
  if (is_empty(m, from.sum[row])) return;
  const float *x = from.out + row * dim;
  if (is_empty(*maximum, *sum)) {
    memcpy(out, x, sizeof(float) * (size_t)dim);
    *maximum = m;
    *sum = from.sum[row];
    return;
  }
  const float top = larger(*maximum, m);
  const float a = exp2_nonpositive(*maximum - top), b = exp2_nonpositive(m - top);
  for (int32_t i = 0; i < dim; i++) out[i] = out[i] * a + x[i] * b;
  *sum = *sum * a + from.sum[row] * b;
  *maximum = top;
}

// What a row's output is multiplied by: 1 / its sum, a sink's share taken off.
static float share_of_keys(const ba_params &p, int32_t head, float maximum, float sum) {
  if (p.sinks == nullptr) return 1 / sum;
  const float sink = p.sinks[head] * 1.44269504f, top = larger(maximum, sink);
  const float keys = exp2_nonpositive(maximum - top);
  return keys / (sum * keys + exp2_nonpositive(sink - top));
}

static void merge(const ba_params &p, const Rows &out, void *scratch, int32_t ith, int32_t nth) {
  const Counts c = count(p);
  const Scratch s = lay_out(p, c, (char *)scratch, ith, nth);
  const Problem problem = {&p, p.heads / p.kv_heads, make_plan(p, c, s.plan)};
  // Results are numbered row by row, then head by head; this thread's are [first, last).
  const int64_t first = share(c.rows * p.heads, ith, nth), last = share(c.rows * p.heads, ith + 1, nth);
  for (int64_t i = first; i < last; i++) {
    s.merged_maximum[i] = NO_SCORE;
    s.merged_sum[i] = 0;
  }
  const Cut cut = cut_axis(for_units(problem, [](const Unit &) {}), cut_for(p, nth));
  // Stretches and units follow each other along the axis: those that end before a unit end before all that come.
  int32_t ahead = 0;
  for_units(problem, [&](const Unit &unit) {
    while (make_stretch(cut, ahead).to <= unit.at) ahead++;
    for (int32_t t = ahead; t < stretches(cut) && make_stretch(cut, t).from < unit.at + unit.cost; t++) {
      const int64_t row = partial_row(unit, t);
      for_rows(problem, unit.chunk, [&](int32_t i, const ba_sequence &sequence, int32_t query, int32_t head) {
        const int32_t h = unit.kv * problem.group + head;
        const int64_t at = ((int64_t)sequence.row + query) * p.heads + h;
        if (at < first || at >= last) return;
        float *to = out.data + (sequence.row + query) * out.row + h * out.head;
        add_partial(s.partials, row + i, value_dim(p), to, &s.merged_maximum[at], &s.merged_sum[at]);
      });
    }
  });
  for (int64_t at = first; at < last; at++)
    s.merged_sum[at] = is_empty(s.merged_maximum[at], s.merged_sum[at])
                           ? 0
                           : share_of_keys(p, (int32_t)(at % p.heads), s.merged_maximum[at], s.merged_sum[at]);
  for (int32_t i = 0; i < p.n_sequences; i++) {
    const ba_sequence &sequence = p.sequences[i];
    const int64_t begin = (int64_t)sequence.row * p.heads, end = begin + (int64_t)sequence.n_queries * p.heads;
    for (int64_t at = larger(begin, first); at < smaller(end, last); at++) {
      float *to = out.data + at / p.heads * out.row + at % p.heads * out.head;
      const float factor = s.merged_sum[at];
      for (int32_t d = 0; d < value_dim(p); d++) to[d] = factor == 0 ? 0 : to[d] * factor;
    }
  }
}

}  // namespace

extern const ba::Linear linear;      // linear.cpp
extern const ba::Checksum checksum;  // checksum.cpp
extern const ba::Kernel kernel;
const ba::Kernel kernel = {BA_TEXT(BA_NS), scratch_bytes, attend, merge, &linear, &checksum};

}  // namespace BA_NS
