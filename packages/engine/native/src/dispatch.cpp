// The library's C interface: picks the build for the running CPU, and adapts ggml's custom operations to it.
//
// Compiled for the oldest CPU the library loads on; only calls through `chosen` run newer instructions.
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "export.h"
#include "kernel.h"
#include "layout.h"
#include "system.h"
#include "tensor.h"

#ifndef BA_SOURCES
#error "compile with -DBA_SOURCES=<digest of the sources>"
#endif
#define BA_QUOTE(x) #x
#define BA_TEXT(x) BA_QUOTE(x)

#if defined(__x86_64__)
namespace avx512_bf16 {
extern const ba::Linear linear;
}
namespace avx512_vnni {
extern const ba::Linear linear;
}
#if !defined(BA_WITHOUT_avx_vnni)
#define BA_AVX_VNNI 1
namespace avx_vnni {
extern const ba::Linear linear;
}
#endif
namespace avx512 {
extern const ba::Kernel kernel;
}
namespace avx512_256 {
extern const ba::Kernel kernel;
}
namespace avx2 {
extern const ba::Kernel kernel;
}
namespace baseline {
extern const ba::Kernel kernel;
}
#elif defined(__aarch64__)
namespace neon {
extern const ba::Kernel kernel;
}
#else
namespace baseline {
extern const ba::Kernel kernel;
}
#endif

namespace {

#if defined(__x86_64__)
const ba::Kernel *choose() {
  const ba::Cpu cpu = ba::this_cpu();
  // BA_ISA names another build than the preferred one, to compare them; one that the CPU cannot run is not taken.
  const char *wanted = getenv("BA_ISA");
  const auto is_wanted = [&](const ba::Kernel &k) { return wanted && strcmp(wanted, k.isa) == 0; };
  if (is_wanted(baseline::kernel) || !cpu.avx2) return &baseline::kernel;
  const bool with_avx_vnni = wanted && strcmp(wanted, "avx_vnni") == 0;
  if (is_wanted(avx2::kernel) || with_avx_vnni || !cpu.avx512) return &avx2::kernel;
  if (is_wanted(avx512::kernel)) return &avx512::kernel;
  return is_wanted(avx512_256::kernel) || cpu.halves_avx512 ? &avx512_256::kernel : &avx512::kernel;
}

// The products of BF16 and VNNI go with the builds of their width, unless another one was named.
const ba::Linear *choose_linear(const ba::Kernel *kernel) {
  const ba::Cpu cpu = ba::this_cpu();
  const char *wanted = getenv("BA_ISA");
  const auto is_wanted = [&](const ba::Linear &l) { return !wanted || !*wanted || strcmp(wanted, l.isa) == 0; };
  const bool is_avx512 = kernel == &avx512::kernel || kernel == &avx512_256::kernel;
  if (is_avx512 && cpu.avx512_vnni && cpu.avx512_bf16 && is_wanted(avx512_bf16::linear)) return &avx512_bf16::linear;
  if (is_avx512 && cpu.avx512_vnni && is_wanted(avx512_vnni::linear)) return &avx512_vnni::linear;
#if defined(BA_AVX_VNNI)
  if (kernel == &avx2::kernel && cpu.avx_vnni && is_wanted(avx_vnni::linear)) return &avx_vnni::linear;
#endif
  return kernel->linear;
}
#elif defined(__aarch64__)
const ba::Kernel *choose() { return &neon::kernel; }
#else
const ba::Kernel *choose() { return &baseline::kernel; }
#endif

#if !defined(__x86_64__)
const ba::Linear *choose_linear(const ba::Kernel *kernel) { return kernel->linear; }
#endif

// Chosen when the library is loaded.
const ba::Kernel *const chosen = choose();
const ba::Linear *const linear = choose_linear(chosen);

enum { MOST_THREADS = 512 };  // ggml's own limit

bool is_valid(const ba_params &p, const ba_block &b) {
  if (b.n == 0) return true;
  if (b.n < 0 || b.hidden < 0 || b.n > b.n_pad || b.n_pad % 32 != 0 || b.k == nullptr) return false;
  if (b.v == nullptr && p.latent == 0) return false;
  if ((b.cos == nullptr) != (b.sin == nullptr)) return false;
  return b.type == BA_F32 || b.type == BA_F16 || (b.type == BA_Q8_0 && p.head_dim % 32 == 0 && p.latent % 32 == 0);
}

bool is_valid(const ba_params &p) {
  if (p.abi != BA_ABI_VERSION || p.head_dim <= 0 || p.head_dim % 8 != 0) return false;
  if (p.kv_heads <= 0 || p.heads <= 0 || p.heads % p.kv_heads != 0) return false;
  if (p.n_rot < 0 || p.n_rot % 2 != 0 || p.n_rot > p.head_dim || p.n_sequences < 0) return false;
  if (p.cut < 0 || p.cut > MOST_THREADS) return false;
  if (p.latent < 0 || p.latent > p.head_dim || p.latent % 8 != 0) return false;
  for (int32_t i = 0; i < p.n_sequences; i++) {
    const ba_sequence &s = p.sequences[i];
    if (s.row < 0 || s.n_queries < 0 || s.n_blocks < 0 || !is_valid(p, s.own)) return false;
    for (int32_t b = 0; b < s.n_blocks; b++)
      if (!is_valid(p, s.blocks[b])) return false;
  }
  return true;
}

ba::Rows rows(const ggml_tensor *t) {
  return {(float *)t->data, (int64_t)(t->nb[2] / sizeof(float)), (int64_t)(t->nb[1] / sizeof(float))};
}

struct Thread {
  const ba_params *params;
  const ba::Rows *rows;
  void *scratch;
  int32_t ith, nth;
  bool merge;
};

// Within a stage the order does not matter.
void work(void *item) {
  const Thread &t = *(const Thread *)item;
  (t.merge ? chosen->merge : chosen->attend)(*t.params, *t.rows, t.scratch, t.ith, t.nth);
}

}  // namespace

EXPORT int32_t ba_abi_version(void) { return BA_ABI_VERSION; }

EXPORT const char *ba_sources(void) { return BA_TEXT(BA_SOURCES); }

EXPORT const char *ba_isa(void) { return chosen->isa; }

EXPORT void ba_probe_tensor(const ggml_tensor *t, int64_t *fields) {
  *fields++ = t->type;
  for (int i = 0; i < 4; i++) *fields++ = t->ne[i];
  for (int i = 0; i < 4; i++) *fields++ = (int64_t)t->nb[i];
  for (int i = 0; i < 3; i++) *fields++ = (int64_t)t->src[i];
  *fields = (int64_t)t->data;
}

EXPORT int64_t ba_scratch_bytes(const ba_params *params, int32_t nth) {
  return nth > 0 && is_valid(*params) ? chosen->scratch_bytes(*params, nth) : -1;
}

static bool is_usable(const ba_op &op, int nth) {
  const int64_t needed = ba_scratch_bytes(op.params, nth);
  return needed >= 0 && op.scratch_bytes >= needed;
}

EXPORT void ba_attend(ggml_tensor *dst, int ith, int nth, void *userdata) {
  const ba_op &op = *(const ba_op *)userdata;
  if (is_usable(op, nth)) chosen->attend(*op.params, rows(dst->src[0]), op.scratch, ith, nth);
}

EXPORT void ba_merge(ggml_tensor *dst, int ith, int nth, void *userdata) {
  const ba_op &op = *(const ba_op *)userdata;
  if (is_usable(op, nth)) {
    chosen->merge(*op.params, rows(dst), op.scratch, ith, nth);
    return;
  }
  // Nothing can be reported from inside a graph: a result that no one can take for one.
  if (ith == 0) memset(dst->data, 0xff, (size_t)dst->ne[2] * dst->nb[2]);
}

EXPORT int32_t ba_run(const ba_params *params, const float *q, float *out, int32_t nth) {
  const int64_t head = params->head_dim, value = params->latent > 0 ? params->latent : head;
  const int64_t bytes = ba_scratch_bytes(params, nth);
  if (bytes < 0) return 1;
  const ba::Rows from = {(float *)q, head * params->heads, head}, to = {out, value * params->heads, value};
  Thread *threads = (Thread *)calloc((size_t)nth, sizeof(Thread));
  void *scratch = ba::allocate_aligned((size_t)bytes);
  const bool enough = threads && scratch;
  if (enough) memset(scratch, 0, 64);
  for (int stage = 0; enough && stage < 2; stage++) {
    for (int32_t i = 0; i < nth; i++)
      threads[i] = {params, stage ? &to : &from, scratch, i, nth, stage == 1};
    ba::run_threads(work, threads, sizeof(Thread), nth);
  }
  ba::free_aligned(scratch);
  free(threads);
  return enough ? 0 : 2;
}

// --- checksums ---------------------------------------------------------------------------------------------------

EXPORT void ba_checksum(const void *const *payloads, const int64_t *bytes, int32_t n, uint32_t *sums) {
  for (int32_t i = 0; i < n; i++) (*chosen->checksum)((const char *)payloads[i], bytes[i], sums + i * BA_SUM_LANES);
}

// --- linear layers -----------------------------------------------------------------------------------------------

EXPORT const char *ba_linear_isa(void) { return linear->isa; }

EXPORT int64_t ba_linear_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t rows) {
  return linear->packed_bytes(type, k, n, rows);
}

EXPORT void ba_linear_pack(ggml_tensor *dst, int ith, int nth, void *type) {
  const ggml_tensor *x = dst->src[0];
  const int64_t x_row = (int64_t)(x->nb[1] / sizeof(float));
  linear->pack({(int32_t)(intptr_t)type, x->ne[0], 0, x->ne[1], nullptr, 0, (const float *)x->data, x_row,
                        (char *)dst->data, nullptr, 0},
                       ith, nth);
}

EXPORT void ba_linear_multiply(ggml_tensor *dst, int ith, int nth, void *) {
  const ggml_tensor *w = dst->src[1];
  linear->multiply({w->type, w->ne[0], w->ne[1], dst->ne[1], (const char *)w->data, (int64_t)w->nb[1], nullptr, 0,
                            (char *)dst->src[0]->data, (float *)dst->data, (int64_t)(dst->nb[1] / sizeof(float))},
                           ith, nth);
}

EXPORT int32_t ba_linear_run(int32_t type, const void *weight, int64_t weight_row, int64_t k, int64_t n, const float *x,
                             int64_t rows, void *packed, float *y, int32_t ith, int32_t nth) {
  if (linear->packed_bytes(type, k, n, rows) < 0) return 1;
  const ba::Product p = {type, k, n, rows, (const char *)weight, weight_row, x, k, (char *)packed, y, n};
  linear->pack(p, 0, 1);
  linear->multiply(p, ith, nth);
  return 0;
}

// --- one row -----------------------------------------------------------------------------------------------------

EXPORT int32_t ba_linear_takes_row(int32_t type, int64_t k, int64_t n) {
  return linear->packed_bytes(type, k, n, 1) >= 0 && linear->takes_row(type, k);
}

enum { MOST_MATRICES = sizeof ggml_tensor::src / sizeof *ggml_tensor::src - 1 };

// Those behind the first source; `y` of the first row.
static int32_t matrices_of(const ggml_tensor *dst, ba::RowMatrix *matrices) {
  float *y = (float *)dst->data;
  int32_t count = 0;
  for (; count < MOST_MATRICES && dst->src[count + 1]; count++) {
    const ggml_tensor *w = dst->src[count + 1];
    matrices[count] = {w->type, w->ne[1], (const char *)w->data, (int64_t)w->nb[1], y};
    y += w->ne[1];
  }
  return count;
}

EXPORT void ba_linear_multiply_row(ggml_tensor *dst, int ith, int nth, void *) {
  ba::RowMatrix matrices[MOST_MATRICES];
  const int32_t count = matrices_of(dst, matrices);
  linear->multiply_row(matrices, count, dst->src[0]->ne[0], (const float *)dst->src[0]->data, ith, nth);
}

EXPORT int32_t ba_linear_run_row(const ba_matrix *matrices, int32_t count, int64_t k, const float *x, float *y, int32_t ith,
                                 int32_t nth) {
  ba::RowMatrix own[MOST_MATRICES];
  if (count < 1 || count > MOST_MATRICES) return 1;
  for (int32_t i = 0; i < count; i++) {
    const ba_matrix &m = matrices[i];
    if (!ba_linear_takes_row(m.type, k, m.n)) return 1;
    own[i] = {m.type, m.n, (const char *)m.weight, m.weight_row, y};
    y += m.n;
  }
  linear->multiply_row(own, count, k, x, ith, nth);
  return 0;
}

// --- low rank ----------------------------------------------------------------------------------------------------

EXPORT void ba_linear_multiply_low(ggml_tensor *dst, int ith, int nth, void *) {
  ba::RowMatrix matrices[MOST_MATRICES];
  const int32_t count = matrices_of(dst, matrices);
  const ggml_tensor *x = dst->src[0];
  linear->multiply_low(matrices, count, x->ne[0], (const float *)x->data, (int64_t)(x->nb[1] / sizeof(float)),
                       (float *)dst->data, (int64_t)(dst->nb[1] / sizeof(float)), x->ne[1], ith, nth);
}

EXPORT void ba_linear_run_low(const ba_matrix *matrices, int32_t count, int64_t k, const float *x, int64_t rows, float *y,
                              int32_t ith, int32_t nth) {
  ba::RowMatrix own[MOST_MATRICES];
  int64_t outputs = 0;
  for (int32_t i = 0; i < count && i < MOST_MATRICES; i++) {
    own[i] = {matrices[i].type, matrices[i].n, (const char *)matrices[i].weight, matrices[i].weight_row, nullptr};
    outputs += matrices[i].n;
  }
  linear->multiply_low(own, count, k, x, k, y, outputs, rows, ith, nth);
}

EXPORT void ba_linear_add_low_rank(ggml_tensor *dst, int ith, int nth, void *decodes) {
  const ggml_tensor *y = dst->src[0], *low = dst->src[1], *b = dst->src[2];
  const auto floats = [](size_t bytes) { return (int64_t)(bytes / sizeof(float)); };
  linear->add_low_rank({b->ne[0], b->ne[1], y->ne[1], (const float *)b->data, floats(b->nb[1]), (const float *)low->data,
                        floats(low->nb[1]), (const float *)y->data, floats(y->nb[1]), (float *)dst->data,
                        floats(dst->nb[1])},
                       decodes != nullptr, ith, nth);
}

EXPORT void ba_linear_run_low_rank(int64_t rank, int64_t n, int64_t rows, const float *b, const float *low, const float *y,
                                   float *to, int32_t decodes, int32_t ith, int32_t nth) {
  linear->add_low_rank({rank, n, rows, b, rank, low, rank, y, n, to, n}, decodes != 0, ith, nth);
}

// --- experts -----------------------------------------------------------------------------------------------------

// Of a node of packed rows, whose sources are x, ids and a weight of the type they are packed for.
static ba::Experts experts_of(const ggml_tensor *packed, const ggml_tensor *w) {
  const ggml_tensor *x = packed->src[0], *ids = packed->src[1];
  const int64_t number = sizeof(float);
  ba::Experts p = {};
  p.type = w->type, p.k = w->ne[0], p.n = w->ne[1], p.experts = w->ne[2];
  p.used = ids->ne[0], p.tokens = ids->ne[1], p.x_rows = x->ne[1];
  p.weight = (const char *)w->data, p.weight_row = (int64_t)w->nb[1], p.weight_expert = (int64_t)w->nb[2];
  p.x = (const float *)x->data, p.x_row = (int64_t)x->nb[1] / number, p.x_token = (int64_t)x->nb[2] / number;
  p.ids = (const int32_t *)ids->data, p.ids_token = (int64_t)ids->nb[1] / number;
  p.packed = (char *)packed->data;
  return p;
}

EXPORT int64_t ba_experts_packed_bytes(int32_t type, int64_t k, int64_t n, int64_t experts, int64_t used, int64_t tokens,
                                       int64_t x_rows) {
  ba::Experts p = {};
  p.type = type, p.k = k, p.n = n, p.experts = experts, p.used = used, p.tokens = tokens, p.x_rows = x_rows;
  return linear->experts_bytes(p);
}

EXPORT void ba_experts_pack(ggml_tensor *dst, int ith, int nth, void *) {
  linear->pack_experts(experts_of(dst, dst->src[2]), ith, nth);
}

EXPORT void ba_experts_multiply(ggml_tensor *dst, int ith, int nth, void *) {
  ba::Experts p = experts_of(dst->src[0], dst->src[1]);
  p.y = (float *)dst->data;
  linear->multiply_experts(p, ith, nth);
}

EXPORT int32_t ba_experts_run(const ba_experts *e, int32_t ith, int32_t nth) {
  ba::Experts p = {};
  p.type = e->type, p.k = e->k, p.n = e->n, p.experts = e->experts;
  p.used = e->used, p.tokens = e->tokens, p.x_rows = e->x_rows;
  p.weight = (const char *)e->weight, p.weight_row = e->weight_row, p.weight_expert = e->weight_row * e->n;
  p.x = e->x, p.x_row = e->k, p.x_token = e->k * e->x_rows;
  p.ids = e->ids, p.ids_token = e->used;
  p.packed = (char *)e->packed, p.y = e->y;
  if (linear->experts_bytes(p) < 0) return 1;
  for (int32_t i = 0; i < nth; i++) linear->pack_experts(p, i, nth);
  linear->multiply_experts(p, ith, nth);
  return 0;
}
