// The linear layers, for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "linear.h"

#include "experts.h"
#include "linear_float.h"
#include "linear_int8.h"

namespace BA_NS {
namespace {

static int64_t packed_bytes(int32_t type, int64_t k, int64_t n, int64_t rows) {
  const Format f = format(type);
  const int64_t limit = INT64_C(1) << 30;
  if (f.group == 0 || k <= 0 || n <= 0 || rows <= 0 || k > limit || n > limit || rows > limit) return -1;
  if (k % f.group != 0 || n % 8 != 0) return -1;
  if (!f.integer) return float_packed_bytes(k, rows);
#if defined(__AVX2__)
  return int8_packed_bytes(k, rows);
#else
  return -1;
#endif
}

static void pack(const ba::Product &p, int32_t ith, int32_t nth) {
#if defined(__AVX2__)
  if (format(p.type).integer) return pack_int8(p, ith, nth);
#endif
  pack_float(p, ith, nth);
}

static void multiply(const ba::Product &p, int32_t ith, int32_t nth) {
#if defined(__AVX2__)
  switch (p.type) {
    case ba::W_Q4_0:
    case ba::W_Q4_1:
    case ba::W_Q4_K: return multiply_int8<Small>(p, ith, nth);
    case ba::W_Q5_0:
    case ba::W_Q5_1:
    case ba::W_Q5_K:
    case ba::W_MXFP4: return multiply_int8<Five>(p, ith, nth);
    case ba::W_Q6_K: return multiply_int8<Six>(p, ith, nth);
    case ba::W_Q8_0: return multiply_int8<Byte>(p, ith, nth);
    default: break;
  }
#endif
  multiply_float(p, ith, nth);
}

}  // namespace

extern const ba::Linear linear;
const ba::Linear linear = {BA_TEXT(BA_NS), packed_bytes, pack, multiply, experts_bytes, pack_experts, multiply_experts};

}  // namespace BA_NS
