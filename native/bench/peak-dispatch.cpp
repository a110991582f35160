// Finds the measurements of one ISA by the name the kernel gave.
#include "peak.h"

#include <string.h>

#define ISA(name)                      \
  namespace name {                     \
  double fma_rounds(long);             \
  void read_all(const char *, size_t); \
  }
#if defined(__x86_64__)
ISA(avx512)
ISA(avx2) ISA(baseline)
#define FIND(what) strcmp(isa, "avx512") == 0 ? avx512::what : strcmp(isa, "avx2") == 0 ? avx2::what : baseline::what
#elif defined(__aarch64__)
ISA(neon)
#define FIND(what) ((void)isa, neon::what)
#else
ISA(baseline)
#define FIND(what) ((void)isa, baseline::what)
#endif

    PeakFma *peak_fma(const char *isa) {
  return FIND(fma_rounds);
}
PeakRead *peak_read(const char *isa) { return FIND(read_all); }
