// What the machine can do at most, for each ISA of the kernel.
#pragma once
#include <stddef.h>

// Runs `rounds` of independent multiply-adds in registers; returns the floating-point operations done.
using PeakFma = double(long rounds);
// Reads all bytes once.
using PeakRead = void(const char *bytes, size_t size);

PeakFma *peak_fma(const char *isa);
PeakRead *peak_read(const char *isa);
