/** Finds the weights of a layer's feed-forward: which parts there are is told by the tensors in the file. */

import type { ExpertParameters, HyperParameters } from '../architecture/hyper-parameters.ts';
import type { Binder } from './bind-weights.ts';
import type { DenseFeedForward, ExpertFeedForward, ExpertLinear, FeedForward } from './layers.ts';

export function bindFeedForward(bind: Binder, hp: HyperParameters, index: number): FeedForward {
  const at = (name: string) => `blk.${index}.${name}`;
  const { experts } = hp;
  return experts?.layers[index] === true ? bindExperts(bind, hp, experts, at, index) : bindDense(bind, hp, at, index);
}

type At = (name: string) => string;

function bindDense(bind: Binder, hp: HyperParameters, at: At, index: number): DenseFeedForward {
  const width = hp.feedForwardLengths[index] ?? hp.feedForwardLength;
  return denseOf(bind, hp, [at('ffn_gate'), at('ffn_up'), at('ffn_down')], width);
}

function denseOf(
  bind: Binder,
  { embeddingLength: d, family }: HyperParameters,
  [gate, up, down]: readonly [string, string, string],
  width: number,
): DenseFeedForward {
  const gateUp = () => {
    if (family.gated === false) return { up: bind.linear(up, d, width) };
    if (!bind.has(gate)) return { fused: bind.linear(up, d, 2 * width) };
    return { gate: bind.linear(gate, d, width), up: bind.linear(up, d, width) };
  };
  return { gateUp: gateUp(), down: bind.linear(down, width, d) };
}

function bindExperts(
  bind: Binder,
  hp: HyperParameters,
  experts: ExpertParameters,
  at: At,
  index: number,
): ExpertFeedForward {
  const { embeddingLength: d } = hp;
  const { count, feedForwardLength: width } = experts;
  const { weights } = bind;
  const each = (name: string, input: number, output: number): ExpertLinear => ({
    weight: weights.matrix(`${at(name)}.weight`, input, output, count),
    stored: weights.require(`${at(name)}.weight`, input, output, count),
    bias: weights.optional(`${at(name)}.bias`, output, count),
  });
  return {
    router: bind.linear(at('ffn_gate_inp'), d, count),
    routerScale: weights.optional(at('ffn_gate_inp.scale'), d),
    choiceBias: weights.optional(at('exp_probs_b.bias'), count),
    gateUp: bind.has(at('ffn_gate_up_exps'))
      ? { fused: each('ffn_gate_up_exps', d, 2 * width) }
      : { gate: each('ffn_gate_exps', d, width), up: each('ffn_up_exps', d, width) },
    down: each('ffn_down_exps', width, d),
    downScale: weights.optional(at('ffn_down_exps.scale'), count),
    norm: bind.optionalNorm(at('pre_ffw_norm_2'), d),
    postNorm: bind.optionalNorm(at('post_ffw_norm_2'), d),
    shared: bindShared(bind, hp, experts, at, index),
  };
}

function bindShared(
  bind: Binder,
  hp: HyperParameters,
  { shared, sharedLength }: ExpertParameters,
  at: At,
  index: number,
): ExpertFeedForward['shared'] {
  const { embeddingLength: d } = hp;
  if (shared === 'layer') {
    const feedForward = bindDense(bind, hp, at, index);
    return { gate: undefined, feedForward, postNorm: bind.norm(at('post_ffw_norm_1'), d) };
  }
  if (shared === undefined || sharedLength === 0) return undefined;
  return {
    gate: shared === 'gated' ? bind.linear(at('ffn_gate_inp_shexp'), d, 1) : undefined,
    feedForward: denseOf(bind, hp, [at('ffn_gate_shexp'), at('ffn_up_shexp'), at('ffn_down_shexp')], sharedLength),
    postNorm: undefined,
  };
}
