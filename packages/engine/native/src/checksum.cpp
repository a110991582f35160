// The checksum of stored payloads, for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "checksum.h"

#include "vec.h"

namespace BA_NS {
namespace {

typedef uint32_t vu __attribute__((vector_size(L * 4)));

enum { STRIPE = 4 * BA_SUM_LANES, VECTORS = BA_SUM_LANES / L };

BA_INLINE void add_stripe(vu (&lanes)[VECTORS], const char *stripe) {
  BA_UNROLL for (int i = 0; i < VECTORS; i++) {
    vu words;
    memcpy(&words, stripe + (int64_t)i * L * 4, sizeof words);
    const vu x = lanes[i] + words * 0x85ebca77u;
    lanes[i] = (x << 13 | x >> 19) * 0x9e3779b1u;
  }
}

static void sum(const char *payload, int64_t bytes, uint32_t *sums) {
  uint32_t first[BA_SUM_LANES];
  for (uint32_t i = 0; i < BA_SUM_LANES; i++) first[i] = 0x9e3779b1u * (i + 1);
  vu lanes[VECTORS];
  memcpy(lanes, first, sizeof lanes);
  int64_t at = 0;
  for (; at + STRIPE <= bytes; at += STRIPE) add_stripe(lanes, payload + at);
  if (at < bytes) {
    char last[STRIPE] = {};
    memcpy(last, payload + at, (size_t)(bytes - at));
    add_stripe(lanes, last);
  }
  memcpy(sums, lanes, sizeof lanes);
}

}  // namespace

extern const ba::Checksum checksum;
const ba::Checksum checksum = sum;

}  // namespace BA_NS
