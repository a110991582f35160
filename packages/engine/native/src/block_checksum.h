// Contract between src/ggml (TypeScript, through koffi) and the checksum of stored payloads. src/store/payload-sum.ts computes
// the same where this library is absent.
//
// A payload is read as little-endian 32-bit words, the last 128 bytes filled up with zeros. Word i goes into lane i mod 32:
//   lane = rotate_left(lane + word * 0x85ebca77, 13) * 0x9e3779b1   modulo 2^32
// from lane = 0x9e3779b1 * (lane number + 1). Every step is one to one in the lane and in the word, so a change of words
// of one lane that leaves the sum as it was takes at least two of them, and random changes go unseen once in 2^32 per lane.
// No protection against someone who wants the sum to fit.
#pragma once
#include <stdint.h>

enum { BA_SUM_LANES = 32 };

#ifdef __cplusplus
extern "C" {
#endif
// sums[n][BA_SUM_LANES] of n payloads, each of any length and at any address, one after the other.
void ba_checksum(const void *const *payloads, const int64_t *bytes, int32_t n, uint32_t *sums);
#ifdef __cplusplus
}
#endif
