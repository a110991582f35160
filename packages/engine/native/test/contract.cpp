// What the interface promises at its edges: refusals instead of reads beyond the end, through the graph's two stages.
//
// usage: contract. Prints what does not hold; the exit status is the number of broken promises.
#include <stdio.h>

#include "../src/block_checksum.h"
#include "../src/tensor.h"
#include "stored.h"

namespace {

int broken = 0;

void expect(bool holds, const char *promise) {
  if (holds) return;
  printf("broken: %s\n", promise);
  broken++;
}

constexpr int DIM = 32, HEADS = 4, ROWS = 3;

struct Setup {
  Random random{1};
  Stored stored{random, 2, DIM, 40, 64, BA_F16, false, false};
  ba_block block{stored.k.data(), stored.v.data(), nullptr, nullptr, 40, 64, 0, BA_F16, 0, 0};
  ba_sequence sequence{&block, 1,  0,
                       ROWS,   77, {stored.k.data(), stored.v.data(), nullptr, nullptr, 40, 64, 40, BA_F16, 0, 0}};
  ba_params params{BA_ABI_VERSION, DIM, HEADS, 2, DIM, 1, 1, 0, 0.2f, 0, 0, 0, &sequence, nullptr};
};

void check_refusals() {
  Setup s;
  expect(ba_scratch_bytes(&s.params, 2) > 0, "valid parameters have a scratch size");
  expect(ba_scratch_bytes(&s.params, 0) == -1, "no threads are refused");
  const auto refused = [&](auto &field, auto value, const char *promise) {
    const auto before = field;
    field = value;
    expect(ba_scratch_bytes(&s.params, 2) == -1, promise);
    field = before;
  };
  refused(s.params.abi, BA_ABI_VERSION + 1, "another ABI is refused");
  refused(s.params.head_dim, 20, "a head_dim that is no multiple of 8 is refused");
  refused(s.params.kv_heads, 3, "kv_heads that do not divide heads are refused");
  refused(s.params.n_rot, DIM + 2, "more rotated dimensions than there are are refused");
  refused(s.params.n_rot, 7, "an odd number of rotated dimensions is refused");
  refused(s.block.n, 65, "a block longer than its memory is refused");
  refused(s.block.n, -1, "a block of negative length is refused");
  refused(s.block.n_pad, 63, "padding that is no multiple of 32 is refused");
  refused(s.block.type, 7, "an unknown type is refused");
  refused(s.block.hidden, -1, "a negative number of hidden tokens is refused");
  refused(s.block.k, static_cast<const void *>(nullptr), "a block without keys is refused");
  refused(s.block.cos, reinterpret_cast<const float *>(&s), "cos without sin is refused");
  refused(s.sequence.own.type, 2, "an unknown type of the own part is refused");
  refused(s.sequence.row, -1, "a negative row is refused");
  refused(s.block.v, static_cast<const void *>(nullptr), "a block without values is refused");
  refused(s.params.latent, DIM + 8, "values longer than the keys they lie in are refused");
  refused(s.params.latent, 12, "such values of no multiple of 8 are refused");
  s.params.latent = DIM;
  s.block.v = nullptr;
  expect(ba_scratch_bytes(&s.params, 2) > 0, "blocks whose values lie in their keys need none");
  s.block.v = s.block.k;
  s.params.latent = 0;
  s.params.head_dim = 40;
  s.block.type = BA_Q8_0;
  expect(ba_scratch_bytes(&s.params, 2) == -1, "q8_0 with a head_dim that is no multiple of 32 is refused");
}

// Scratch depends neither on lengths nor on addresses, so one allocation serves a growing sequence.
void check_scratch_size() {
  Setup s;
  const int64_t bytes = ba_scratch_bytes(&s.params, 3);
  s.sequence.own.n = 63;
  s.sequence.position = 100;
  s.block.n = 1;
  s.block.start = 7;
  expect(ba_scratch_bytes(&s.params, 3) == bytes, "scratch does not depend on lengths and positions");
  expect(ba_scratch_bytes(&s.params, 2) <= bytes, "fewer threads never need more scratch");
}

// q and dst with gaps between rows and heads, as a view of a larger tensor would have.
void check_graph() {
  Setup s;
  const size_t head = DIM + 8, row = HEADS * head + 5;
  std::vector<float> q(row * ROWS, 9e9f), out(row * ROWS, -1), plain, expected(static_cast<size_t>(ROWS) * HEADS * DIM);
  for (int r = 0; r < ROWS; r++)
    for (int h = 0; h < HEADS; h++)
      for (int i = 0; i < DIM; i++) {
        plain.push_back(s.random.unit());
        q[static_cast<size_t>(r) * row + static_cast<size_t>(h) * head + static_cast<size_t>(i)] = plain.back();
      }
  expect(ba_run(&s.params, plain.data(), expected.data(), 2) == 0, "ba_run succeeds");
  ggml_tensor from{}, to{};
  for (ggml_tensor *t : {&from, &to}) {
    t->ne[0] = DIM, t->ne[1] = HEADS, t->ne[2] = ROWS, t->ne[3] = 1;
    t->nb[0] = 4, t->nb[1] = head * 4, t->nb[2] = row * 4, t->nb[3] = row * ROWS * 4;
  }
  from.data = q.data();
  to.data = out.data();
  to.src[0] = &from;
  const Bytes scratch(static_cast<size_t>(ba_scratch_bytes(&s.params, 2)));
  memset(scratch.data(), 0, 64);
  ba_op op{&s.params, scratch.data(), static_cast<int64_t>(scratch.size())};
  const auto run = [&] {
    for (int i = 0; i < 2; i++) ba_attend(&to, i, 2, &op);
    for (int i = 0; i < 2; i++) ba_merge(&to, i, 2, &op);
  };
  run();
  bool same = true, gaps = true;
  for (size_t i = 0; i < out.size(); i++) {
    const size_t r = i / row, h = i % row / head, d = i % row % head;
    if (h < HEADS && d < DIM)
      same &= out[i] == expected[(r * HEADS + h) * DIM + d];
    else
      gaps &= out[i] == -1;
  }
  expect(same, "strided tensors give the same as plain ones");
  expect(gaps, "nothing is written between rows and heads");
  op.scratch_bytes--;
  run();
  expect(out[0] != out[0] && out[2 * row] != out[2 * row], "too little scratch gives NaN");
}

void check_empty() {
  Setup s;
  s.params.n_sequences = 0;
  expect(ba_run(&s.params, nullptr, nullptr, 2) == 0, "an empty batch is fine");
  s.params.n_sequences = 1;
  s.sequence.n_blocks = 0;
  s.sequence.own.n = 0;
  const std::vector<float> q(static_cast<size_t>(ROWS) * HEADS * DIM, 1);
  std::vector<float> out(q.size(), 5);
  expect(ba_run(&s.params, q.data(), out.data(), 2) == 0, "a sequence without keys is fine");
  bool zeros = true;
  for (float x : out) zeros &= x == 0;
  expect(zeros, "a query that sees no key gives zeros");
}

void check_nan() {
  Setup s;
  std::vector<float> q(static_cast<size_t>(ROWS) * HEADS * DIM, 0.1f), out(q.size());
  q[0] = NAN;
  ba_run(&s.params, q.data(), out.data(), 2);
  expect(out[0] != out[0], "NaN in a query shows in its result");
  expect(out[DIM] == out[DIM], "and in no other head's");
}

// One key per head, and a sink whose score is what its capped score should be: half the weight is the key's. A tanh that is
// off by d moves that by cap * d / 4.
bool caps_within(int heads, float cap, double allowed) {
  const int dim = 8;
  std::vector<float> k(32 * dim), v(32 * dim), q(static_cast<size_t>(heads * dim)), sinks(static_cast<size_t>(heads)),
      out(q.size());
  k[0] = v[0] = 1;
  for (int h = 0; h < heads; h++) {
    const size_t i = static_cast<size_t>(h);
    // Scores from -12 to 12 caps, closest to each other around 0.
    const double x = 2.0 * (h + 0.5) / heads - 1;
    q[i * dim] = static_cast<float>(12 * x * x * x * cap);
    sinks[i] = static_cast<float>(cap * tanh(static_cast<double>(q[i * dim]) / cap));
  }
  const ba_block own = {k.data(), v.data(), nullptr, nullptr, 1, 32, 0, BA_F32, 0, 0};
  const ba_sequence sequence = {nullptr, 0, 0, 1, 0, own};
  const ba_params params = {BA_ABI_VERSION, dim, heads, 1, 0, 1, 1, 0, 1.0f, 0, cap, 0, &sequence, sinks.data()};
  if (ba_run(&params, q.data(), out.data(), 1) != 0) return false;
  for (int h = 0; h < heads; h++) {
    const size_t i = static_cast<size_t>(h);
    const double score = cap * tanh(static_cast<double>(q[i * dim]) / cap);
    const double expected = 1 / (1 + exp(static_cast<double>(sinks[i]) - score));
    if (!(fabs(out[i * dim] - expected) <= cap * allowed / 4)) return false;
  }
  return true;
}

void check_softcap() {
  // What vec.h says of tanh, and half of it again for the roundings of scores on their way there.
  expect(caps_within(4001, 50, 6e-7), "soft caps are exact to 6e-7 of the cap, many rows at a time");
  bool few = true;
  for (int heads = 1; heads <= 7; heads++)
    for (float cap = 50; cap < 51; cap += 0.0625f) few &= caps_within(heads, cap, 6e-7);
  expect(few, "and few rows at a time");
}

// By the words of the contract, one at a time.
void check_checksum() {
  Random random{7};
  bool same = true, alone = true;
  for (int size = 0; size < 700; size += size < 300 ? 1 : 37) {
    const Bytes payload(static_cast<size_t>(size));
    std::vector<unsigned char> padded(static_cast<size_t>((size + 127) / 128 * 128));
    for (size_t i = 0; i < payload.size(); i++) payload.data()[i] = static_cast<char>(random.next() >> 20);
    if (size > 0) memcpy(padded.data(), payload.data(), payload.size());
    uint32_t expected[BA_SUM_LANES], sums[2][BA_SUM_LANES];
    for (uint32_t i = 0; i < BA_SUM_LANES; i++) expected[i] = 0x9e3779b1u * (i + 1);
    for (size_t i = 0; i < padded.size() / 4; i++) {
      const unsigned char *b = &padded[4 * i];
      const uint32_t word = b[0] | static_cast<uint32_t>(b[1]) << 8 | static_cast<uint32_t>(b[2]) << 16 |
                            static_cast<uint32_t>(b[3]) << 24;
      uint32_t &lane = expected[i % BA_SUM_LANES];
      lane += word * 0x85ebca77u;
      lane = (lane << 13 | lane >> 19) * 0x9e3779b1u;
    }
    const void *const payloads[2] = {payload.data(), payload.data()};
    const int64_t bytes[2] = {size, size};
    ba_checksum(payloads, bytes, 2, sums[0]);
    same &= memcmp(sums[0], expected, sizeof expected) == 0;
    alone &= memcmp(sums[1], expected, sizeof expected) == 0;
  }
  expect(same, "checksums are what the contract says, at any length");
  expect(alone, "and the same for every payload of a call");
}

}  // namespace

int main() {
  check_refusals();
  check_scratch_size();
  check_graph();
  check_empty();
  check_nan();
  check_softcap();
  check_checksum();
  if (broken == 0) printf("%s: the contract holds\n", ba_isa());
  return broken;
}
