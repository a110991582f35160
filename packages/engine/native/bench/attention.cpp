// Microbenchmark of the kernel beside what the machine can do: FMA peak and read bandwidth, measured in the same run.
//
// Prints a table for people and one line of JSON for machines. `BA_ISA` lowers the ISA, for comparison.
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "../src/tensor.h"
#include "../test/stored.h"
#include "peak.h"
#include "team.h"

namespace {

constexpr int DIM = 64, HEADS = 9, KV_HEADS = 3;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Best time of `run` over at least a few tries and a second.
template <class F>
double best(F run) {
  double fastest = 1e9;
  run();
  for (double start = now(); now() - start < 0.8;) {
    const double t = now();
    run();
    fastest = std::min(fastest, now() - t);
  }
  return fastest;
}

// The sum of the rates that `threads` copies of a measurement reach at once.
template <class F>
double together(int threads, F rate) {
  std::vector<double> rates(static_cast<size_t>(threads));
  Team(threads).run([&](int i) { rates[static_cast<size_t>(i)] = rate(); });
  double sum = 0;
  for (double r : rates) sum += r;
  return sum;
}

double fma_peak(int threads) {
  const auto flops = find_peak(ba_isa()).fma;
  return together(threads,
                  [flops] {
                    double rate = 0;
                    for (int i = 0; i < 20; i++) {
                      const double t = now();
                      const double n = flops(4000000);
                      rate = std::max(rate, n / (now() - t));
                    }
                    return rate;
                  }) /
         1e9;
}

double read_bandwidth(int threads) {
  const auto read = find_peak(ba_isa()).read;
  return together(threads,
                  [read] {
                    const size_t size = size_t{256} << 20;
                    Bytes bytes(size);
                    memset(bytes.data(), 1, size);
                    return static_cast<double>(size) / best([&] { read(bytes.data(), size); });
                  }) /
         1e9;
}

struct Case {
  const char *name;
  int tokens, block, sequences, queries, type, threads;
};

struct Setup {
  std::vector<Stored> stored;
  std::vector<ba_block> blocks;
  std::vector<ba_sequence> sequences;
  std::vector<float> angles, q, out;
  ba_params params{};
};

// Sequences share all blocks; each has its own K/V of 64 tokens.
void prepare(Setup &s, const Case &c) {
  Random random(7);
  const int n_blocks = c.tokens / c.block;
  s.angles.resize(static_cast<size_t>(n_blocks) * DIM);
  for (int b = 0; b < n_blocks + c.sequences; b++) {
    const bool own = b >= n_blocks;
    s.stored.emplace_back(random, KV_HEADS, DIM, own ? 64 : c.block, own ? 64 : c.block, c.type, false, false);
    const int start = std::min(b, n_blocks) * c.block;
    float *cos = own ? nullptr : &s.angles[static_cast<size_t>(b) * DIM];
    for (int i = 0; cos && i < DIM / 2; i++) {
      const double angle = -start * pow(10000.0, -2.0 * i / DIM);
      cos[i] = static_cast<float>(::cos(angle));
      cos[DIM / 2 + i] = static_cast<float>(::sin(angle));
    }
    const Stored &x = s.stored.back();
    s.blocks.push_back({x.k.data(), x.v.data(), cos, cos ? cos + DIM / 2 : nullptr, x.n, x.n_pad, start, x.type, 0, 0});
  }
  for (int i = 0; i < c.sequences; i++)
    s.sequences.push_back({s.blocks.data(), n_blocks, i * c.queries, c.queries, c.tokens + 64 - c.queries,
                           s.blocks[static_cast<size_t>(n_blocks + i)]});
  const size_t numbers = static_cast<size_t>(c.sequences) * c.queries * HEADS * DIM;
  s.out.resize(numbers);
  for (size_t i = 0; i < numbers; i++) s.q.push_back(random.unit() * 2);
  s.params = {BA_ABI_VERSION, DIM, HEADS, KV_HEADS, DIM, 1, c.sequences, 0, 0.125f, 0, 0, 0, s.sequences.data(), nullptr};
}

// The two graph nodes as ggml's threads would run them: scratch and threads are there before.
double measure(const Case &c) {
  Setup s;
  prepare(s, c);
  const Bytes scratch(static_cast<size_t>(ba_scratch_bytes(&s.params, c.threads)));
  memset(scratch.data(), 0, 64);
  ba_op op = {&s.params, scratch.data(), static_cast<int64_t>(scratch.size())};
  ggml_tensor q{}, out{};
  for (ggml_tensor *t : {&q, &out}) {
    const int64_t ne[4] = {DIM, HEADS, c.sequences * c.queries, 1};
    memcpy(t->ne, ne, sizeof ne);
    for (int i = 0; i < 4; i++) t->nb[i] = i ? t->nb[i - 1] * static_cast<size_t>(ne[i - 1]) : 4;
  }
  q.data = s.q.data();
  out.data = s.out.data();
  out.src[0] = &q;
  Team team(c.threads);
  return best([&] {
    team.run([&](int i) { ba_attend(&out, i, c.threads, &op); });
    team.run([&](int i) { ba_merge(&out, i, c.threads, &op); });
  });
}

}  // namespace

int main(int argc, char **argv) {
  const int tokens = argc > 1 ? atoi(argv[1]) : 32768;
  std::string json = std::string("{\"bench\":\"attention-kernel\",\"isa\":\"") + ba_isa() + "\"";
  double peak[3], bandwidth[3];
  double load = 0;
  getloadavg(&load, 1);
  char busy[32];
  snprintf(busy, sizeof busy, ",\"load\":%.2f", load);
  json += busy;
  printf("load average before: %.2f; with anything else running, figures of two threads mean little\n", load);
  printf("isa %s, head_dim %d, %d heads / %d kv heads, %d keys\n", ba_isa(), DIM, HEADS, KV_HEADS, tokens);
  for (int threads = 1; threads <= 2; threads++) {
    peak[threads] = fma_peak(threads);
    bandwidth[threads] = read_bandwidth(threads);
    printf("%d thread(s): FMA peak %.1f GFLOP/s, memory read %.1f GB/s\n", threads, peak[threads], bandwidth[threads]);
    char text[128];
    snprintf(text, sizeof text, ",\"peak_gflops_%d\":%.1f,\"read_gbs_%d\":%.1f", threads, peak[threads], threads,
             bandwidth[threads]);
    json += text;
  }
  // With 0 tokens: the machine alone.
  if (tokens <= 0) {
    printf("%s}\n", json.c_str());
    return 0;
  }
  printf("%-28s %8s %10s %7s %9s %7s\n", "case", "ms", "GFLOP/s", "% peak", "KV GB/s", "% read");
  for (int type : {BA_F16, BA_Q8_0})
    for (int block : {512, 128})
      for (int kind = 0; kind < 3; kind++)
        for (int threads = 1; threads <= 2; threads++) {
          const char *kinds[] = {"prefill50", "decode1", "decode8"};
          const Case c = {kinds[kind], tokens, block, kind == 2 ? 8 : 1, kind == 0 ? 50 : 1, type, threads};
          const double seconds = measure(c);
          const double gflops = 4.0 * c.sequences * c.queries * c.tokens * HEADS * DIM / seconds / 1e9;
          const double gbs =
              2.0 * static_cast<double>(stored_bytes(type, int64_t{KV_HEADS} * DIM * c.tokens)) / seconds / 1e9;
          char name[64], text[160];
          snprintf(name, sizeof name, "%s_%s_b%d_t%d", c.name, type == BA_F16 ? "f16" : "q8_0", block, threads);
          printf("%-28s %8.3f %10.1f %6.1f%% %9.2f %6.1f%%\n", name, seconds * 1e3, gflops,
                 100 * gflops / peak[threads], gbs, 100 * gbs / bandwidth[threads]);
          snprintf(text, sizeof text, ",\"%s\":{\"ms\":%.3f,\"gflops\":%.1f,\"gbs\":%.2f}", name, seconds * 1e3, gflops,
                   gbs);
          json += text;
        }
  printf("%s}\n", json.c_str());
}
