// Compiled once per ISA like the kernel: registers full of independent multiply-adds, and a pass over memory.
#include "peak.h"

#include "../src/vec.h"

namespace BA_NS {
namespace {

double fma(long rounds) {
  enum { CHAINS = 12, FLOPS = 2 * CHAINS * L };
  // The compiler must not see the numbers: it leaves a chain out whose value it can tell.
  volatile float hidden[] = {1.0f, 0.999f, 0.001f};
  vf x[CHAINS];
  for (int i = 0; i < CHAINS; i++) x[i] = splat(hidden[0] + (float)i);
  const vf a = splat(hidden[1]), b = splat(hidden[2]);
  for (long r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) x[i] = x[i] * a + b;
  vf sum = x[0];
  for (int i = 1; i < CHAINS; i++) sum += x[i];
  volatile float keep = sum_lanes(sum);
  (void)keep;
  return (double)FLOPS * (double)rounds;
}

void read(const char *bytes, size_t size) {
  vi sum[4] = {};
  for (size_t i = 0; i + sizeof sum <= size; i += sizeof sum)
    for (int j = 0; j < 4; j++) {
      vi x;
      memcpy(&x, bytes + i + (size_t)j * sizeof x, sizeof x);
      sum[j] ^= x;
    }
  const vi all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  volatile int32_t keep = all[0] ^ all[L - 1];
  (void)keep;
}

}  // namespace

extern const Peak peak;
const Peak peak = {BA_TEXT(BA_NS), fma, read};

}  // namespace BA_NS
