// Memory of a thread that grows to the largest it was asked for and is kept for the next call.
#pragma once
#include <stdlib.h>

#include "vec.h"

namespace BA_NS {
namespace {

struct ThreadScratch {
  float *data = nullptr;
  int64_t floats = 0;

  ~ThreadScratch() { free(data); }

  // Contents are lost when it grows. Null when the system has none left.
  float *take(int64_t wanted) {
    if (wanted > floats) {
      free(data);
      void *memory = nullptr;
      data = posix_memalign(&memory, 64, (size_t)wanted * sizeof(float)) == 0 ? (float *)memory : nullptr;
      floats = data ? wanted : 0;
    }
    return data;
  }
};

thread_local ThreadScratch thread_scratch;

// Nothing can be reported from inside a graph: NaN, which the trainer stops at.
BA_INLINE void poison(float *data, int64_t count) { memset(data, 0xff, (size_t)count * sizeof(float)); }

}  // namespace
}  // namespace BA_NS
