// Contract between src/ggml (TypeScript, through koffi) and what keeps a mapped file from ending the process.
//
// A page of a mapping that its file no longer has (somebody truncated it), or that the disk cannot deliver, is a SIGBUS
// for whoever reads it. For guarded mappings the page becomes one of zeros instead, and the mapping is marked: what was
// read is wrong from then on, and whoever uses it asks ba_guard_faults afterwards. Every other SIGBUS goes to the handler
// that was there before.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
// Guards [address, address + bytes), which is mapped readable and stays so until ba_guard_remove. A slot, or -1 where
// there is none left or the handler cannot be installed: then the mapping is as before.
int32_t ba_guard_add(const void *address, int64_t bytes);
// Ends it. To be called before the memory is unmapped.
void ba_guard_remove(int32_t slot);
// Pages of a slot that became zeros.
int64_t ba_guard_faults(int32_t slot);
// The address of a count of all such pages of the process, which only grows.
const int64_t *ba_guard_total(void);
#ifdef __cplusplus
}
#endif
