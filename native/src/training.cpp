// The training nodes for one ISA: compiled several times, each with its own BA_NS and compiler flags.
#include "training-kernel.h"

#include "training-attention.h"
#include "training-product.h"

namespace BA_NS {

extern const ba::TrainingKernel training;
const ba::TrainingKernel training = {BA_TEXT(BA_NS), product, attention, attention_back};

}  // namespace BA_NS
