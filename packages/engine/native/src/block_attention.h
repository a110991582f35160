// Contract between src/engine (TypeScript, through koffi) and the fused attention kernel.
//
// One call computes, for one layer, softmax(cap(q k^T * scale)) v of a final block over any number of context blocks and
// its own growing K/V, without copying or rotating a key. Everything is little-endian and in the byte layout below;
// the TypeScript side writes these structs into native memory.
//
// Stored layout of one layer of one block, the same for the portable path (src/model/kv-layout.ts):
//   K  [kv_heads][n_pad][head_dim]   rotated at local positions 0..n-1, type f32 | f16 | q8_0 (32-element groups along head_dim)
//   V  [kv_heads][head_dim][n_pad]   transposed,                        type f32 | f16 | q8_0 (32-element groups along tokens)
// Where ba_params.latent is set there is no V: a value is the last `latent` elements of its key.
// n_pad is n rounded up to a multiple of 32; padding holds zeros. For the sequence's own K/V n_pad is its capacity and
// whatever lies beyond n must not be read as a number (it may be anything, NaN included).
#pragma once
#include <stdint.h>

#define BA_ABI_VERSION 7
enum { BA_F32 = 0, BA_F16 = 1, BA_Q8_0 = 8 };  // ggml's type numbers

typedef struct {
  const void *k;       // 64-byte aligned
  const void *v;       // 64-byte aligned; not read where the values lie in the keys
  const float *cos;    // [n_rot/2] rotation of the query by -offset, or NULL for none (offset 0, or a layer without RoPE)
  const float *sin;    // [n_rot/2] cos/sin of (-offset * theta_i); offset is the block's first position in the prompt
  int32_t n;           // tokens
  int32_t n_pad;       // allocated tokens
  int32_t start;       // absolute position of the block's first token
  int32_t type;        // BA_*
  int32_t hidden;      // the first so many tokens are seen by no query; of a sequence's own K/V: 0
  int32_t reserved;
} ba_block;            // 56 bytes

typedef struct {
  int32_t abi;         // BA_ABI_VERSION
  int32_t head_dim;    // 32, 64, 80, 96, 128, 256, ... any multiple of 8 (q8_0: of 32)
  int32_t heads;       // query heads
  int32_t kv_heads;    // divides heads; heads [g*kv, g*(kv+1)) share a kv head
  int32_t n_rot;       // rotated dimensions, even, <= head_dim
  int32_t rope_neox;   // 1: pairs (i, i + n_rot/2); 0: pairs (2i, 2i+1)
  int32_t n_sequences;
  int32_t window;      // sliding window in tokens: key j is visible to query i when pos_i - pos_j < window; 0: none
  float scale;         // of the scores, normally 1/sqrt(head_dim)
  int32_t cut;         // how many threads the work is cut for, which rounding depends on; 0: for as many as there are
  float softcap;       // scores s become softcap * tanh(s / softcap), after `scale`; 0: off
  int32_t latent;      // > 0: values are the last so many elements of the keys, and results have so many; a multiple of 8
  const struct ba_sequence *sequences;  // [n_sequences]
  const float *sinks;  // [heads] a score per head that takes its share of the sum and gives nothing, or NULL
} ba_params;           // 64 bytes

// One sequence of the batch: its queries are rows [row, row + n_queries) of q and of the output.
typedef struct ba_sequence {
  const ba_block *blocks;  // [n_blocks] context blocks: visible to every query (subject to window)
  int32_t n_blocks;
  int32_t row;             // first row in q / out
  int32_t n_queries;
  int32_t position;        // absolute position of the first query; query i stands at position + i
  ba_block own;            // the sequence's own K/V: cos = NULL; its `start` is the position of its first token;
                           // own.n counts the tokens INCLUDING the queries of this call, already written. Causal.
                           // q8_0: the scale of a group that n ends in is valid, its integers beyond n may be anything
} ba_sequence;             // 24 + 56 = 80 bytes

// Two graph nodes per layer, because threads may only meet at the barrier between nodes:
//   ba_attend(dst, ith, nth, ba_op*)   dst->src[0] = q [head_dim, heads, rows] f32, already rotated at absolute positions
//                                      (after QK-norm); dst->src[1..] only order the node after the K/V writes.
//                                      Splits (sequence, kv head, key range) into stretches that the threads take in
//                                      turn; partial results with their log-sum-exps go to op->scratch.
//   ba_merge(dst, ith, nth, ba_op*)    dst->src[0] = the node of ba_attend; dst [head_dim, heads, rows] f32 = the result.
//                                      Of latent values: [latent, heads, rows], of both nodes.
// Both have the signature of ggml_custom_op_t and are given GGML_N_TASKS_MAX; nth is whatever ggml passes and is the same
// for both. q and dst may be strided (nb[1], nb[2]). Rows that no sequence owns are left as they are; a query that sees
// no key gives zeros. Where params are invalid or scratch is smaller than ba_scratch_bytes(params, nth), dst is NaN.
//
// The result depends on params->cut in the last bits (where that is 0: on nth) and on nothing else. Context blocks that several sequences of at most four
// queries hold in the same place (same k, v, n, n_pad, start, type, hidden) are read once for all of them.
struct ggml_tensor;
typedef struct {
  const ba_params *params;
  void *scratch;          // 64-byte aligned; its first 64 bytes zero before the first call, and nobody else's after
  int64_t scratch_bytes;
} ba_op;  // 24 bytes; lives, with everything it points to, until the graph's compute returns

#ifdef __cplusplus
extern "C" {
#endif
int32_t ba_abi_version(void);
// The digest of the sources it was compiled from, in hex: native/recipe.mjs says of what.
const char *ba_sources(void);
const char *ba_isa(void);  // "avx512", "avx512_256", "avx2", "neon", "baseline": what the running CPU was given

// What this library reads of a tensor: type, ne[4], nb[4], src[3], data. For the caller to compare with what ggml says,
// since tensor.h repeats the layout of one release.
void ba_probe_tensor(const struct ggml_tensor *tensor, int64_t *fields);
// Bytes of scratch for up to nth threads, or -1 when params contradict themselves. Depends on the shape of the heads and
// on each sequence's n_blocks, n_queries and row, and on cut; not on lengths, positions, addresses or types.
int64_t ba_scratch_bytes(const ba_params *params, int32_t nth);
void ba_attend(struct ggml_tensor *dst, int ith, int nth, void *userdata);
void ba_merge(struct ggml_tensor *dst, int ith, int nth, void *userdata);
// The same without ggml, for tests: q and out are [rows][heads][head_dim] f32 (out: [latent] where that is set); runs both stages on `nth` own threads.
// 0, or 1 when params contradict themselves, 2 when there is no memory.
int32_t ba_run(const ba_params *params, const float *q, float *out, int32_t nth);
#ifdef __cplusplus
}
#endif
