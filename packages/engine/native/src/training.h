// Graph nodes for training on the CPU: matrix products of any layout and element type, and attention over packed rows
// with its gradient. All of type ggml_custom_op_t. Arithmetic is f32, of products on request with operands of bf16.
#pragma once
#include <stdint.h>

extern "C" {

// Bumped with every change of the structs below or of what the nodes take.
enum { BA_TRAINING_ABI_VERSION = 2 };

// Which product of a matrix W [in, out], activations x [in, rows] and a gradient g [out, rows]; sizes in ggml's order,
// innermost first. All rows are contiguous.
enum ba_product {
  BA_FORWARD = 0,          // (W, x) -> [out, rows]
  BA_BACK_TO_INPUT = 1,    // (W, g) -> [in, rows]
  BA_BACK_TO_WEIGHTS = 2,  // (x, g) -> [in, out]
};

// Userdata of ba_training_product.
typedef struct ba_training_matrix {
  int32_t product;
  int32_t block_elements;  // of W's element type: 1 for f32
  int64_t block_bytes;
  // Converts elements of W; null when they are f32. Gets whole blocks.
  void (*to_float)(const void *from, float *to, int64_t count);
  // Both operands may be rounded to bf16, where that is faster (ba_training_rounds). Not for BA_BACK_TO_WEIGHTS.
  int64_t rounded;
} ba_training_matrix;

// Userdata of ba_training_attention and ba_training_attention_back.
typedef struct ba_training_rows {
  int32_t row_tokens;  // tokens of a row; rows never see each other
  float scale;         // of the scores
} ba_training_rows;
}
