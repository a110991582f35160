// Finds the measurements of one ISA by its name.
#include "peak.h"

#include <string.h>

// clang-format off
#if defined(__x86_64__)
namespace avx512 { extern const Peak peak; }
namespace avx512_256 { extern const Peak peak; }
namespace avx2 { extern const Peak peak; }
namespace baseline { extern const Peak peak; }
static const Peak *const all[] = {&avx512::peak, &avx512_256::peak, &avx2::peak, &baseline::peak};
#elif defined(__aarch64__)
namespace neon { extern const Peak peak; }
static const Peak *const all[] = {&neon::peak};
#else
namespace baseline { extern const Peak peak; }
static const Peak *const all[] = {&baseline::peak};
#endif
// clang-format on

const Peak &find_peak(const char *isa) {
  for (const Peak *peak : all)
    if (strcmp(peak->isa, isa) == 0) return *peak;
  return *all[0];
}
