// What the running x86 CPU, and the system that keeps its registers, can do: asked of the CPU itself, since not every
// compiler's runtime answers __builtin_cpu_supports. Intel SDM volume 2, CPUID, and volume 1, 13.3 (XCR0).
#pragma once
#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

namespace ba {

struct Cpu {
  bool avx2;         // with FMA and F16C
  bool avx512;       // F, BW, VL and DQ
  bool avx512_vnni, avx512_bf16;
  bool avx_vnni;       // the instructions of AVX-512 VNNI on 256 bits and 16 registers
  bool halves_avx512;  // runs 512-bit operations as two of 256: Zen 4
};

inline uint64_t enabled_state() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

inline Cpu this_cpu() {
  enum { XMM_YMM = 0x6, ZMM = 0xe0 };
  Cpu cpu = {};
  unsigned a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return cpu;
  const bool amd = b == signature_AMD_ebx;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return cpu;
  const unsigned family = (a >> 8 & 0xf) + (a >> 20 & 0xff), first = c;
  const uint64_t state = enabled_state();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (state & XMM_YMM) != XMM_YMM) return cpu;
  cpu.avx2 = (b & bit_AVX2) && (first & bit_AVX) && (first & bit_FMA) && (first & bit_F16C);
#if defined(__APPLE__)
  const bool zmm = true;  // enabled by the first instruction that needs it
#else
  const bool zmm = (state & ZMM) == ZMM;
#endif
  const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
  cpu.avx512 = cpu.avx2 && zmm && (b & wanted) == wanted;
  cpu.avx512_vnni = cpu.avx512 && (c & bit_AVX512VNNI);
  const bool more = a >= 1;  // sub-leaves
  if (more && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    cpu.avx512_bf16 = cpu.avx512 && (a & 1 << 5);
    cpu.avx_vnni = cpu.avx2 && (a & 1 << 4);
  }
  cpu.halves_avx512 = amd && family == 0x19;
  return cpu;
}

}  // namespace ba
#endif
