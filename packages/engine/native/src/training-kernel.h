// What one ISA's build of the training nodes offers to training-dispatch.cpp.
#pragma once
#include "tensor.h"
#include "training.h"

namespace ba {

struct TrainingKernel {
  const char *isa;
  bool rounds;  // whether products that may be rounded are
  void (*product)(ggml_tensor *dst, int ith, int nth, const ba_training_matrix &op);
  void (*attention)(ggml_tensor *dst, int ith, int nth, const ba_training_rows &op);
  void (*attention_back)(ggml_tensor *dst, int ith, int nth, const ba_training_rows &op);
};

}  // namespace ba
