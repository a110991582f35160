// Random weights of every type that the linear layers take, with the numbers that their bytes stand for.
#pragma once
#include <algorithm>

#include "stored.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q4_K = 12, Q5_K = 13, Q6_K = 14, BF16 = 30, MXFP4 = 39 };
struct Type {
  int id, group, bytes;
  const char *name;
};
inline const Type types[] = {{F32, 1, 4, "f32"},      {F16, 1, 2, "f16"},      {BF16, 1, 2, "bf16"},   {Q4_0, 32, 18, "q4_0"},
                      {Q4_1, 32, 20, "q4_1"},  {Q5_0, 32, 22, "q5_0"},  {Q5_1, 32, 24, "q5_1"}, {Q8_0, 32, 34, "q8_0"},
                      {Q4_K, 256, 144, "q4_K"}, {Q5_K, 256, 176, "q5_K"}, {Q6_K, 256, 210, "q6_K"}, {MXFP4, 32, 17, "mxfp4"}};
enum { TYPES = sizeof types / sizeof *types };

inline void put_half(unsigned char *p, float x) {
  const uint16_t h = to_half(x);
  memcpy(p, &h, 2);
}

// A group's bytes at random and the numbers they stand for, each format spelled out element by element.
inline void fill(Random &random, const Type &t, unsigned char *p, double *w) {
  for (int i = 0; i < t.bytes; i++) p[i] = static_cast<unsigned char>(random.next());
  const float d = random.unit() * 0.05f, m = random.unit() * 0.3f;
  const auto at = [p](int i) { return static_cast<int>(p[i]); };
  const auto nibble = [&](int from, int i) { return i < 16 ? at(from + i) & 15 : at(from + i - 16) >> 4; };
  const auto bit = [&](int from, int i) { return at(from + i / 8) >> (i % 8) & 1; };
  if (t.group == 1) {
    const float x = random.unit();
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint16_t high = static_cast<uint16_t>(bits >> 16);
    if (t.id == F32) {
      memcpy(p, &x, 4);
      *w = x;
    } else if (t.id == F16) {
      put_half(p, x);
      *w = from_half(to_half(x));
    } else {
      memcpy(p, &high, 2);
      bits &= 0xffff0000;
      float y;
      memcpy(&y, &bits, 4);
      *w = y;
    }
    return;
  }
  const double dd = from_half(to_half(d)), mm = from_half(to_half(m));
  if (t.id == MXFP4) {
    // Exponents around 1; each number a sign, two bits of exponent and one of mantissa.
    p[0] = static_cast<unsigned char>(random.between(118, 126));
    for (int i = 0; i < 32; i++) {
      const int bits = nibble(1, i), exponent = bits >> 1 & 3;
      const double size = exponent == 0 ? 0.5 * (bits & 1) : ldexp(1 + 0.5 * (bits & 1), exponent - 1);
      w[i] = (bits & 8 ? -size : size) * ldexp(1, p[0] - 127);
    }
    return;
  }
  if (t.group == 32) {
    put_half(p, d);
    if (t.id == Q4_1 || t.id == Q5_1) put_half(p + 2, m);
    for (int i = 0; i < 32; i++) {
      switch (t.id) {
        case Q4_0: w[i] = dd * (nibble(2, i) - 8); break;
        case Q4_1: w[i] = dd * nibble(4, i) + mm; break;
        case Q5_0: w[i] = dd * (nibble(6, i) + 16 * bit(2, i) - 16); break;
        case Q5_1: w[i] = dd * (nibble(8, i) + 16 * bit(4, i)) + mm; break;
        default: w[i] = dd * std::max(-127, static_cast<int>(static_cast<int8_t>(p[2 + i])));  // -128 is read as -127
      }
    }
    return;
  }
  if (t.id == Q6_K) {
    put_half(p + 208, d);
    for (int i = 0; i < 256; i++) {
      const int half = i / 128, j = i % 128, l = j % 32, quarter = j / 32;
      const int low = at(half * 64 + l + 32 * (quarter % 2)), high = at(128 + half * 32 + l);
      const int q = ((quarter < 2 ? low & 15 : low >> 4) | (high >> (2 * quarter) & 3) << 4) - 32;
      w[i] = dd * static_cast<int8_t>(p[192 + i / 16]) * q;
    }
    return;
  }
  put_half(p, d);
  put_half(p + 2, m);
  for (int i = 0; i < 256; i++) {
    const int g = i / 32, l = i % 32, from = t.id == Q5_K ? 48 : 16;
    const int byte = at(from + g / 2 * 32 + l);
    int q = g % 2 ? byte >> 4 : byte & 15;
    if (t.id == Q5_K) q += (at(16 + l) >> g & 1) * 16;
    const int s = g < 4 ? at(4 + g) & 63 : (at(8 + g) & 15) | (at(g) >> 6) << 4;
    const int minimum = g < 4 ? at(8 + g) & 63 : at(8 + g) >> 4 | (at(4 + g) >> 6) << 4;
    w[i] = dd * s * q - mm * minimum;
  }
}
