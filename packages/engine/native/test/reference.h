// The slow, obvious computation in double precision: rotates every query for every block, one key at a time.
#pragma once
#include <vector>

#include "stored.h"

struct ReferenceBlock {
  const Stored *stored;
  int start;
  bool rotated, own;
  int hidden;
};

inline double reference_angle(int start, int pair, int n_rot) { return -start * pow(10000.0, -2.0 * pair / n_rot); }

// One query of one head over the blocks of its sequence; zeros when it sees no key.
inline std::vector<double> reference_row(const ba_params &p, const std::vector<ReferenceBlock> &blocks, const float *q,
                                         int head, int position) {
  const int dim = p.head_dim, kv = head / (p.heads / p.kv_heads);
  const int latent = p.latent;
  std::vector<double> scores, out(static_cast<size_t>(latent > 0 ? latent : dim), 0.0);
  std::vector<const float *> values;
  for (const ReferenceBlock &b : blocks) {
    std::vector<double> r(q, q + dim);
    for (int i = 0; b.rotated && i < p.n_rot / 2; i++) {
      const size_t x = static_cast<size_t>(p.rope_neox ? i : 2 * i),
                   y = static_cast<size_t>(p.rope_neox ? i + p.n_rot / 2 : 2 * i + 1);
      const double angle = reference_angle(b.start, i, p.n_rot);
      r[x] = q[x] * cos(angle) - q[y] * sin(angle);
      r[y] = q[x] * sin(angle) + q[y] * cos(angle);
    }
    for (int t = b.hidden; t < b.stored->n; t++) {
      const int distance = position - (b.start + t);
      if ((b.own && distance < 0) || (p.window > 0 && distance >= p.window)) continue;
      const size_t at = (static_cast<size_t>(kv) * static_cast<size_t>(b.stored->n) + static_cast<size_t>(t)) *
                        static_cast<size_t>(dim);
      double score = 0;
      for (size_t i = 0; i < static_cast<size_t>(dim); i++) score += r[i] * b.stored->k_values[at + i];
      score *= p.scale;
      scores.push_back(p.softcap == 0 ? score : p.softcap * tanh(score / p.softcap));
      values.push_back(latent > 0 ? &b.stored->k_values[at + static_cast<size_t>(dim - latent)]
                                  : &b.stored->v_values[at]);
    }
  }
  double top = -1e300, sum = 0;
  for (double s : scores) top = fmax(top, s);
  if (p.sinks && !scores.empty()) {
    top = fmax(top, p.sinks[head]);
    sum = exp(p.sinks[head] - top);
  }
  for (size_t t = 0; t < scores.size(); t++) {
    const double weight = exp(scores[t] - top);
    sum += weight;
    for (size_t i = 0; i < out.size(); i++) out[i] += weight * values[t][i];
  }
  for (double &x : out) x = sum > 0 ? x / sum : 0;
  return out;
}
