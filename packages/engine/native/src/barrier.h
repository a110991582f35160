// Contract between src/ggml (TypeScript, through koffi) and the barrier that yields: see barrier.cpp.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
// Whether the memory of an idle ggml_threadpool looks as the barrier takes it to: it was made with so many threads and
// this level of polling. 0 also where the barrier is not built.
int32_t ba_barrier_fits(const void *pool, int32_t threads, uint32_t poll);
// Gives the loaded library that has this address (a function of it) the barrier in place of its own. Nothing of the
// library may be computing. 1, or 0 where it does not call one through its table.
int32_t ba_barrier_install(const void *inside);
// How often threads have waited since the library was loaded, how often they slept, and how many tables were changed.
void ba_barrier_counts(int64_t *out /* [3] */);
#ifdef __cplusplus
}
#endif
