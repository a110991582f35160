// The head of ggml's tensor, as far as `data`, in the release the package pins.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct ggml_tensor {
  int32_t type;
  void *buffer;
  int64_t ne[4];
  size_t nb[4];
  int32_t op;
  int32_t op_params[16];
  int32_t flags;
  ggml_tensor *src[10];
  ggml_tensor *view_src;
  size_t view_offs;
  void *data;
};
