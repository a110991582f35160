// Scratch of a thread, kept for its next call.
#pragma once
#include "system.h"
#include "vec.h"

namespace BA_NS {
namespace {

// Contents are lost when it grows. Null when the system has none left.
BA_INLINE float *thread_floats(int64_t count) { return (float *)ba::thread_memory((size_t)count * sizeof(float)); }

// Nothing can be reported from inside a graph: NaN, which the trainer stops at.
BA_INLINE void poison(float *data, int64_t count) { memset(data, 0xff, (size_t)count * sizeof(float)); }

}  // namespace
}  // namespace BA_NS
