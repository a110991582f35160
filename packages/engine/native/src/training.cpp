// The training nodes for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "training-kernel.h"

#include "training-attention.h"
#include "training-product.h"

namespace BA_NS {

#if defined(__AVX512BF16__)
constexpr bool rounds = true;
#else
constexpr bool rounds = false;
#endif

extern const ba::TrainingKernel training;
const ba::TrainingKernel training = {BA_TEXT(BA_NS), rounds, product, attention, attention_back};

}  // namespace BA_NS
