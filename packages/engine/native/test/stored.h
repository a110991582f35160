// Random K/V in the stored layout, with the numbers that the stored bytes stand for. Shared by the test and the bench.
#pragma once
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cstdint>
#include <vector>

#include "../src/block_attention.h"

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const uint32_t x = static_cast<uint32_t>((state_ ^ (state_ >> 22)) >> (22 + (state_ >> 61)));
    return x;
  }
  // Uniform in [low, high].
  int between(int low, int high) { return low + static_cast<int>(next() % static_cast<uint32_t>(high - low + 1)); }
  // Uniform in [-1, 1).
  float unit() { return static_cast<float>(static_cast<int32_t>(next())) * 0x1p-31f; }

 private:
  uint64_t state_;
};

// Rounds to nearest; the numbers here are far from overflow, and what is too small for a normal half becomes zero.
inline uint16_t to_half(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint32_t sign = bits >> 16 & 0x8000;
  const int32_t rounded = static_cast<int32_t>((bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1)) - (112 << 23);
  return static_cast<uint16_t>(rounded < (1 << 23) ? sign : sign | static_cast<uint32_t>(rounded) >> 13);
}

inline float from_half(uint16_t h) {
  const float magnitude = h & 0x7c00 ? ldexpf(1.0f + static_cast<float>(h & 0x3ff) / 1024, (h >> 10 & 31) - 15) : 0;
  return h & 0x8000 ? -magnitude : magnitude;
}

// 64-byte aligned bytes of exactly the size asked for, so that a sanitizer sees the first byte beyond.
class Bytes {
 public:
  explicit Bytes(size_t size = 0) : size_(size) {
    if (posix_memalign(&data_, 64, size ? size : 1) != 0) abort();
  }
  Bytes(Bytes &&other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr; }
  Bytes &operator=(Bytes &&) = delete;
  ~Bytes() { free(data_); }
  char *data() const { return static_cast<char *>(data_); }
  size_t size() const { return size_; }

 private:
  void *data_ = nullptr;
  size_t size_;
};

inline int64_t stored_bytes(int type, int64_t elements) {
  return type == BA_F32 ? elements * 4 : type == BA_F16 ? elements * 2 : elements / 32 * 34;
}

// Stores 32 numbers at element `at` (a multiple of 32) of `to`, and replaces them by what was stored.
inline void store32(int type, char *to, int64_t at, float *x) {
  if (type == BA_F32) {
    memcpy(to + at * 4, x, 128);
    return;
  }
  if (type == BA_F16) {
    for (int i = 0; i < 32; i++) {
      const uint16_t h = to_half(x[i]);
      memcpy(to + (at + i) * 2, &h, 2);
      x[i] = from_half(h);
    }
    return;
  }
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i]));
  const uint16_t scale = to_half(largest / 127);
  const float step = from_half(scale);
  char *group = to + at / 32 * 34;
  memcpy(group, &scale, 2);
  for (int i = 0; i < 32; i++) {
    const int q = step == 0 ? 0 : static_cast<int>(fminf(127, fmaxf(-127, roundf(x[i] / step))));
    group[2 + i] = static_cast<char>(q);
    x[i] = static_cast<float>(q) * step;
  }
}

struct Stored {
  Bytes k, v;
  std::vector<float> k_values, v_values;  // [kv_heads][n][dim] both; empty when not kept
  int n, n_pad, type;

  // Random keys and values of n tokens. `capacity` beyond them is filled with garbage: NaN where the type has one.
  Stored(Random &random, int kv_heads, int dim, int tokens, int capacity, int stored_type, bool keep, bool garbage)
      : k(static_cast<size_t>(stored_bytes(stored_type, static_cast<int64_t>(kv_heads) * capacity * dim))),
        v(k.size()),
        n(tokens),
        n_pad(capacity),
        type(stored_type) {
    memset(k.data(), garbage ? 0xff : 0, k.size());
    memset(v.data(), garbage ? 0xff : 0, v.size());
    const int64_t plane = static_cast<int64_t>(capacity) * dim;
    if (keep) k_values.resize(static_cast<size_t>(kv_heads) * n * dim), v_values.resize(k_values.size());
    for (int h = 0; h < kv_heads; h++) {
      for (int64_t t = 0; t < n; t++)
        fill(random, k.data(), h * plane + t * dim, dim, dim, [&](int i, float x) {
          if (keep) k_values[static_cast<size_t>((static_cast<int64_t>(h) * n + t) * dim + i)] = x;
        });
      for (int d = 0; d < dim; d++)
        fill(random, v.data(), h * plane + static_cast<int64_t>(d) * capacity, n, capacity, [&](int t, float x) {
          if (keep) v_values[static_cast<size_t>((static_cast<int64_t>(h) * n + t) * dim + d)] = x;
        });
    }
  }

 private:
  template <class F>
  void fill(Random &random, char *to, int64_t at, int count, int room, F seen) {
    for (int i = 0; i < count; i += 32) {
      float x[32] = {};
      const int m = count - i < 32 ? count - i : 32;
      for (int j = 0; j < m; j++) x[j] = random.unit();
      if (m == 32 || (type == BA_Q8_0 && i + 32 <= room)) {
        store32(type, to, at + i, x);
      } else {
        char part[32 * 4];
        store32(type, part, 0, x);
        memcpy(to + stored_bytes(type, 32) * ((at + i) / 32) + ((at + i) % 32) * (stored_bytes(type, 32) / 32), part,
               static_cast<size_t>(m) * (type == BA_F32 ? 4 : 2));
      }
      // The rest of a q8_0 group that has begun: its scale is a number, its integers may be anything.
      if (type == BA_Q8_0 && m < 32) memset(to + (at + i) / 32 * 34 + 2 + m, 0x81, static_cast<size_t>(32 - m));
      for (int j = 0; j < m; j++) seen(i + j, x[j]);
    }
  }
};
