// The linear layers, for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "linear.h"

#include "experts.h"
#include "linear_float.h"
#include "low_rank.h"
#include "one_row.h"
#include "outputs_bf16.h"
#include "outputs_int8.h"

namespace BA_NS {
namespace {

static int64_t packed_bytes(int32_t type, int64_t k, int64_t n, int64_t rows) {
  const Format f = format(type);
  const int64_t limit = INT64_C(1) << 30;
  if (f.group == 0 || k <= 0 || n <= 0 || rows <= 0 || k > limit || n > limit || rows > limit) return -1;
  if (k % f.group != 0 || n % 8 != 0) return -1;
  if (is_paired(type, k)) return rows * pair_row_bytes(k);
  if (!f.integer) return float_packed_bytes(k, rows);
#if defined(__AVX2__)
  return rows * int8_row_bytes(k);
#else
  return -1;
#endif
}

static void pack(const ba::Product &p, int32_t ith, int32_t nth) {
#if defined(__AVX2__)
  const auto source = [&](int64_t row) { return p.x + row * p.x_row; };
  if (format(p.type).integer) return pack_int8_rows(p.type, p.k, p.rows, source, p.packed, ith, nth);
#if defined(__AVX512BF16__)
  if (is_paired(p.type, p.k)) return pack_pair_rows(p.k, p.rows, source, p.packed, ith, nth);
#endif
#endif
  pack_float(p, ith, nth);
}

static void multiply(const ba::Product &p, int32_t ith, int32_t nth) {
#if defined(__AVX2__)
  const OutputShare own = output_share(p.n, ith, nth);
  const Outputs of = {p.type, p.k, p.weight, p.weight_row, p.packed, p.y, p.y_row, own.from, own.to};
  const auto row_of = [](int64_t entry) { return entry; };
  if (multiply_int8(of, Every{0}, p.rows, row_of)) return;
#if defined(__AVX512BF16__)
  if (is_paired(p.type, p.k)) return multiply_paired(of, Every{0}, p.rows, row_of);
#endif
#endif
  multiply_float(p, ith, nth);
}

}  // namespace

extern const ba::Linear linear;
const ba::Linear linear = {BA_TEXT(BA_NS), packed_bytes, pack,          multiply,     takes_row,       multiply_row,
                          multiply_low,    add_low_rank, experts_bytes, pack_experts, multiply_experts};

}  // namespace BA_NS
