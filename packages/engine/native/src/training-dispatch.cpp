// The C interface of the training nodes: the build for the running CPU is the one dispatch.cpp chose.
#include <stdlib.h>
#include <string.h>

#include "block_attention.h"
#include "cpu.h"
#include "export.h"
#include "training-kernel.h"

#if defined(__x86_64__)
#define BA_ISAS(X) X(avx512_bf16) X(avx512) X(avx512_256) X(avx2) X(baseline)
#elif defined(__aarch64__)
#define BA_ISAS(X) X(neon)
#else
#define BA_ISAS(X) X(baseline)
#endif

#define BA_DECLARE(isa)                         \
  namespace isa {                               \
  extern const ba::TrainingKernel training;     \
  }
BA_ISAS(BA_DECLARE)

namespace {

const ba::TrainingKernel &choose() {
  const char *isa = ba_isa();
#if defined(__x86_64__)
  // Goes with both AVX-512 builds, unless another one was named.
  const char *wanted = getenv("BA_ISA");
  const bool other = wanted && *wanted && strcmp(wanted, avx512_bf16::training.isa) != 0;
  if (strncmp(isa, "avx512", 6) == 0 && !other && ba::this_cpu().avx512_bf16) return avx512_bf16::training;
#endif
#define BA_MATCH(name) \
  if (strcmp(isa, name::training.isa) == 0) return name::training;
  BA_ISAS(BA_MATCH)
  __builtin_unreachable();
}

const ba::TrainingKernel &chosen() {
  // Whoever looks finds the same.
  static const ba::TrainingKernel *found;
  const ba::TrainingKernel *kernel = __atomic_load_n(&found, __ATOMIC_RELAXED);
  if (kernel == nullptr) __atomic_store_n(&found, kernel = &choose(), __ATOMIC_RELAXED);
  return *kernel;
}

}  // namespace

EXPORT int32_t ba_training_abi_version(void) { return BA_TRAINING_ABI_VERSION; }

EXPORT int32_t ba_training_rounds(void) { return chosen().rounds; }

EXPORT void ba_training_product(ggml_tensor *dst, int ith, int nth, void *userdata) {
  chosen().product(dst, ith, nth, *(const ba_training_matrix *)userdata);
}

EXPORT void ba_training_attention(ggml_tensor *dst, int ith, int nth, void *userdata) {
  chosen().attention(dst, ith, nth, *(const ba_training_rows *)userdata);
}

EXPORT void ba_training_attention_back(ggml_tensor *dst, int ith, int nth, void *userdata) {
  chosen().attention_back(dst, ith, nth, *(const ba_training_rows *)userdata);
}
