// What one ISA's build of the checksum offers to dispatch.cpp.
#pragma once
#include "block_checksum.h"

namespace ba {

// sums: [BA_SUM_LANES].
typedef void (*Checksum)(const char *payload, int64_t bytes, uint32_t *sums);

}  // namespace ba
