// The structs of the C interface, byte by byte as src/ggml writes them, on every platform that this is compiled for.
#pragma once
#include <stddef.h>

#include "block_attention.h"
#include "training.h"

#define BA_AT(type, field, byte) static_assert(offsetof(type, field) == byte, #type "." #field)
static_assert(sizeof(void *) == 8, "64 bits");
static_assert(sizeof(ba_block) == 56, "ba_block");
BA_AT(ba_block, v, 8);
BA_AT(ba_block, cos, 16);
BA_AT(ba_block, sin, 24);
BA_AT(ba_block, n, 32);
BA_AT(ba_block, type, 44);
BA_AT(ba_block, hidden, 48);
static_assert(sizeof(ba_params) == 64, "ba_params");
BA_AT(ba_params, window, 28);
BA_AT(ba_params, scale, 32);
BA_AT(ba_params, softcap, 40);
BA_AT(ba_params, latent, 44);
BA_AT(ba_params, sequences, 48);
BA_AT(ba_params, sinks, 56);
static_assert(sizeof(ba_sequence) == 80, "ba_sequence");
BA_AT(ba_sequence, n_blocks, 8);
BA_AT(ba_sequence, position, 20);
BA_AT(ba_sequence, own, 24);
static_assert(sizeof(ba_op) == 24, "ba_op");
BA_AT(ba_op, scratch, 8);
BA_AT(ba_op, scratch_bytes, 16);
static_assert(sizeof(ba_training_matrix) == 32, "ba_training_matrix");
BA_AT(ba_training_matrix, block_bytes, 8);
BA_AT(ba_training_matrix, to_float, 16);
BA_AT(ba_training_matrix, rounded, 24);
static_assert(sizeof(ba_training_rows) == 8, "ba_training_rows");
#undef BA_AT
