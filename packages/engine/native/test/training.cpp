// Training nodes against double precision: products of random shapes and strides, attention over random runs of keys and
// its gradient, shared out over random numbers of threads.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <vector>

#include "../src/tensor.h"
#include "../src/training.h"
#include "stored.h"

extern "C" const char *ba_isa(void);
extern "C" int32_t ba_training_rounds(void);
extern "C" void ba_training_product(ggml_tensor *dst, int ith, int nth, void *userdata);
extern "C" void ba_training_attention(ggml_tensor *dst, int ith, int nth, void *userdata);
extern "C" void ba_training_attention_back(ggml_tensor *dst, int ith, int nth, void *userdata);

namespace {

using Values = std::vector<double>;
using Node = void (*)(ggml_tensor *, int, int, void *);

// A tensor with its numbers; `gap` elements lie between rows and are never touched.
struct Held {
  ggml_tensor tensor = {};
  std::vector<float> data;
  std::vector<uint16_t> halves;

  Held(int64_t a, int64_t b, int64_t c = 1, int64_t gap = 0) {
    tensor.ne[0] = a, tensor.ne[1] = b, tensor.ne[2] = c, tensor.ne[3] = 1;
    tensor.nb[0] = sizeof(float), tensor.nb[1] = sizeof(float) * static_cast<size_t>(a + gap);
    tensor.nb[2] = tensor.nb[1] * static_cast<size_t>(b), tensor.nb[3] = tensor.nb[2] * static_cast<size_t>(c);
    data.assign(static_cast<size_t>((a + gap) * b * c), 12345.5f);
    tensor.data = data.data();
  }
  void fill(Random &random) {
    for (float &x : data) x = random.unit();
  }
  // The same numbers as halves, without gaps.
  void halve() {
    for (int64_t j = 0; j < tensor.ne[1]; j++)
      for (int64_t i = 0; i < tensor.ne[0]; i++) {
        halves.push_back(to_half(at(i, j)));
        at(i, j) = from_half(halves.back());
      }
    tensor.nb[0] = 2, tensor.nb[1] = 2 * static_cast<size_t>(tensor.ne[0]);
    tensor.data = halves.data();
  }
  float &at(int64_t i, int64_t j, int64_t k = 0) {
    const int64_t row = static_cast<int64_t>(data.size()) / (tensor.ne[1] * tensor.ne[2]);
    return data[static_cast<size_t>(i + row * (j + tensor.ne[1] * k))];
  }
};

void run(Node node, ggml_tensor *dst, void *op, int threads) {
  for (int i = 0; i < threads; i++) node(dst, i, threads, op);
}

double relative(const Values &got, const Values &expected) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); i++) {
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  return norm > 0 ? sqrt(error / norm) : sqrt(error);
}

void halves_to_float(const void *from, float *to, int64_t count) {
  const uint16_t *halves = static_cast<const uint16_t *>(from);
  for (int64_t i = 0; i < count; i++) to[i] = from_half(halves[i]);
}

// @param rounded both operands may be rounded to bf16: by 2^-9 of each at most
double check_product(Random &random, bool rounded) {
  const int in = random.between(1, 1200), out = random.between(1, 300), rows = random.between(1, 200);
  const int product = random.between(0, rounded ? 1 : 2);
  const bool halves = product != BA_BACK_TO_WEIGHTS && random.between(0, 1) == 1;
  Held weight(in, out, 1, random.between(0, 3)), x(in, rows, 1, random.between(0, 3)), g(out, rows, 1, random.between(0, 3));
  for (Held *held : {&weight, &x, &g}) held->fill(random);
  if (halves) weight.halve();
  Held to = product == BA_FORWARD ? Held(out, rows) : product == BA_BACK_TO_INPUT ? Held(in, rows) : Held(in, out);
  to.tensor.src[0] = product == BA_BACK_TO_WEIGHTS ? &x.tensor : &weight.tensor;
  to.tensor.src[1] = product == BA_FORWARD ? &x.tensor : &g.tensor;
  ba_training_matrix op = {product, 1, halves ? 2 : 4, halves ? halves_to_float : nullptr, rounded};
  run(ba_training_product, &to.tensor, &op, random.between(1, 5));
  Values got, expected;
  for (int j = 0; j < to.tensor.ne[1]; j++)
    for (int i = 0; i < to.tensor.ne[0]; i++) {
      double sum = 0;
      if (product == BA_FORWARD)
        for (int d = 0; d < in; d++) sum += double{weight.at(d, i)} * x.at(d, j);
      else if (product == BA_BACK_TO_INPUT)
        for (int d = 0; d < out; d++) sum += double{weight.at(i, d)} * g.at(d, j);
      else
        for (int d = 0; d < rows; d++) sum += double{x.at(i, d)} * g.at(j, d);
      expected.push_back(sum);
      got.push_back(to.at(i, j));
    }
  return relative(got, expected);
}

struct Attended {
  double forward, backward;
};

Attended check_attention(Random &random) {
  const int dim = random.between(1, 70), kv_heads = random.between(1, 3), heads = kv_heads * random.between(1, 3);
  const int tokens = random.between(1, 330), rows = random.between(1, 3), all = tokens * rows;
  const int threads = random.between(1, 5);
  Held q(dim, heads, all), k(dim, kv_heads, all), v(dim, kv_heads, all), logs(1, int64_t{heads} * all);
  Held out(dim, heads, all), given(dim, heads, all), to(dim, heads + 2 * kv_heads, all);
  for (Held *held : {&q, &k, &v, &given}) held->fill(random);
  // A query sees itself and some tokens before it, and some of an earlier run, or none.
  std::vector<int32_t> runs;
  for (int t = 0; t < all; t++) {
    const int query = t % tokens, own = random.between(0, query);
    const int first = random.between(0, own), last = random.between(first, own);
    runs.insert(runs.end(), {first, last, own, query + 1});
  }
  ggml_tensor run_tensor = {};
  run_tensor.data = runs.data();
  ba_training_rows op = {tokens, 0.3f};
  ggml_tensor *sources[] = {&q.tensor, &k.tensor, &v.tensor, &run_tensor, &logs.tensor, &out.tensor, &given.tensor};
  std::copy(sources, sources + 5, out.tensor.src);
  std::copy(sources, sources + 7, to.tensor.src);
  run(ba_training_attention, &out.tensor, &op, threads);
  run(ba_training_attention_back, &to.tensor, &op, threads);

  const size_t width = static_cast<size_t>(dim);
  const auto place = [&](int token, int head, int of) { return (static_cast<size_t>(token) * static_cast<size_t>(of) + static_cast<size_t>(head)) * width; };
  Values expected(width * static_cast<size_t>(heads * all)), slopes(width * static_cast<size_t>((heads + 2 * kv_heads) * all));
  const int width_heads = heads + 2 * kv_heads;
  for (int t = 0; t < all; t++)
    for (int h = 0; h < heads; h++) {
      const int kv = h / (heads / kv_heads), row = t / tokens * tokens;
      std::vector<int> seen;
      for (int side = 0; side < 2; side++)
        for (int x = runs[static_cast<size_t>(4 * t + 2 * side)]; x < runs[static_cast<size_t>(4 * t + 2 * side + 1)]; x++)
          seen.push_back(row + x);
      Values weights;
      double top = -1e300, sum = 0, mean = 0;
      for (int x : seen) {
        double score = 0;
        for (int i = 0; i < dim; i++) score += double{q.at(i, h, t)} * k.at(i, kv, x);
        weights.push_back(score * double{op.scale});
        top = std::max(top, weights.back());
      }
      for (double &w : weights) sum += w = exp(w - top);
      Values toward;
      for (size_t n = 0; n < seen.size(); n++) {
        weights[n] /= sum;
        double slope = 0;
        for (int i = 0; i < dim; i++) {
          expected[place(t, h, heads) + static_cast<size_t>(i)] += weights[n] * double{v.at(i, kv, seen[n])};
          slope += double{given.at(i, h, t)} * v.at(i, kv, seen[n]);
        }
        toward.push_back(slope);
        mean += weights[n] * slope;
      }
      for (size_t n = 0; n < seen.size(); n++) {
        const double slope = weights[n] * (toward[n] - mean) * double{op.scale};
        for (int i = 0; i < dim; i++) {
          const size_t at = static_cast<size_t>(i);
          slopes[place(t, h, width_heads) + at] += slope * double{k.at(i, kv, seen[n])};
          slopes[place(seen[n], heads + kv, width_heads) + at] += slope * double{q.at(i, h, t)};
          slopes[place(seen[n], heads + kv_heads + kv, width_heads) + at] += weights[n] * double{given.at(i, h, t)};
        }
      }
    }
  return {relative(Values(out.data.begin(), out.data.end()), expected), relative(Values(to.data.begin(), to.data.end()), slopes)};
}

}  // namespace

int main(int argc, char **argv) {
  const int cases = argc > 1 ? atoi(argv[1]) : 200;
  double product = 0, rounded = 0, forward = 0, backward = 0;
  for (int i = 0; i < cases; i++) {
    Random random(static_cast<uint64_t>(i) + 1);
    product = std::max(product, check_product(random, false));
    rounded = std::max(rounded, check_product(random, true));
    const Attended attended = check_attention(random);
    forward = std::max(forward, attended.forward);
    backward = std::max(backward, attended.backward);
    if (!(product <= 1e-5) || !(rounded <= (ba_training_rounds() ? 0x1.02p-8 : 1e-5)) || !(forward <= 1e-5) || !(backward <= 5e-5)) {
      printf("seed %d: relative error %.2g of products, %.2g of rounded ones, %.2g of attention, %.2g of its gradient\n", i + 1, product, rounded, forward, backward);
      return 1;
    }
  }
  printf("%s: %d cases, worst relative error %.2e of products, %.2e of rounded ones (bf16: %s), %.2e of attention, %.2e of its gradient\n", ba_isa(), cases,
         product, rounded, ba_training_rounds() ? "yes" : "no", forward, backward);
  return 0;
}
