// What the machine can do at most, for each ISA of the kernel.
#pragma once
#include <stddef.h>

struct Peak {
  const char *isa;
  // Runs `rounds` of independent multiply-adds in registers; returns the floating-point operations done.
  double (*fma)(long rounds);
  // Reads all bytes once.
  void (*read)(const char *bytes, size_t size);
};

// The one for the ISA that ba_isa() names.
const Peak &find_peak(const char *isa);
