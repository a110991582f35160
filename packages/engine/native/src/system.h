// What operating systems do each in their own way: aligned memory, memory of a thread, threads that run to their end.
//
// The only file that tells Windows from POSIX, beside guard.cpp and barrier.cpp, which exist for POSIX and Linux alone.
// Needs the C library and nothing of C++'s: a prebuilt library must load wherever the C library does.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace ba {

// Bytes at a multiple of 64, or null. Freed by free_aligned alone.
void *allocate_aligned(size_t bytes);
void free_aligned(void *memory);

// Memory of the calling thread at a multiple of 64, at least `bytes` of it, kept for its next call and freed with the
// thread. Its contents are lost when it grows. Null when the system has none left.
void *thread_memory(size_t bytes);

// Calls work(items + i * item_bytes) for every i of [0, n), each on a thread of its own, the first on this one. A thread
// that cannot be started is no failure: its call is made here, so calls must not wait for each other.
void run_threads(void (*work)(void *item), void *items, size_t item_bytes, int32_t n);

}  // namespace ba
