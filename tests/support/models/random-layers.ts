/** The tensors of one layer of a random model, by its family's traits. */
import type { GgufTensorSource } from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { latentAttention } from './random-latent.ts';
import type { Makers, RandomModelSpec, Shape } from './random-model.ts';

type Name = (part: string) => string;

export function* layerTensors(
  spec: RandomModelSpec,
  shape: Shape,
  layer: number,
  make: Makers,
): Generator<GgufTensorSource> {
  const { embedding, traits, family } = shape;
  const name: Name = (part) => `blk.${layer}.${part}`;
  if (traits.norms !== 'after') yield* make.norm(name('attn_norm'), embedding);
  if (spec.twoInputs === true) yield* make.norm(name('attn_norm_2'), embedding);
  if (spec.convolutions?.layers.includes(layer) === true)
    yield* shortConvolution(shape, spec.convolutions.taps, make, name);
  else if (spec.latent !== undefined) yield* latentAttention(shape, spec.latent, name, make);
  else yield* attention(spec, shape, layer, make, name);
  if (traits.norms === undefined || traits.norms === 'both') yield* make.norm(name('ffn_norm'), embedding);
  if (traits.norms === 'renamed') yield* make.norm(name('post_attention_norm'), embedding);
  if (traits.norms === 'both' || traits.norms === 'after') {
    yield* make.norm(name('post_attention_norm'), embedding);
    yield* make.norm(name('post_ffw_norm'), embedding);
  }
  const routed = shape.experts !== undefined && layer >= (spec.denseLayers ?? 0);
  if (routed) yield* experts(shape, name, make);
  if (!routed || traits.shared === 'layer') yield* dense(shape, name, make);
  if (family !== 'gemma4') return;
  const width = spec.tokenInput ?? 0;
  if (width > 0) {
    yield make.matrix(name('inp_gate'), embedding, width);
    yield make.matrix(name('proj'), width, embedding);
    yield* make.norm(name('post_norm'), embedding);
  }
  yield make.gains(name('layer_output_scale.weight'), 1);
}

function* shortConvolution({ embedding }: Shape, taps: number, make: Makers, name: Name): Generator<GgufTensorSource> {
  yield make.matrix(name('shortconv.in_proj'), embedding, 3 * embedding);
  yield make.normal(name('shortconv.conv.weight'), taps * embedding, [taps, embedding]);
  yield make.matrix(name('shortconv.out_proj'), embedding, embedding);
}

function* attention(
  spec: RandomModelSpec,
  { embedding, heads, traits, statesOf, attentionBias, outputBias }: Shape,
  layer: number,
  make: Makers,
  name: Name,
): Generator<GgufTensorSource> {
  const { kvHeads, headDim, windowed, borrows } = statesOf(layer);
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  if (traits.fusedQkv === true) {
    yield make.matrix(name('attn_qkv'), embedding, q + 2 * kv, 1.3);
    if (attentionBias) yield make.bias(name('attn_qkv'), q + 2 * kv);
  } else {
    yield make.matrix(name('attn_q'), embedding, q, 1.5);
    if (!borrows) yield make.matrix(name('attn_k'), embedding, kv, 1.5);
    if (!borrows && !(spec.keysAsValues === true && !windowed)) yield make.matrix(name('attn_v'), embedding, kv);
    if (attentionBias) {
      yield make.bias(name('attn_q'), q);
      yield make.bias(name('attn_k'), kv);
      yield make.bias(name('attn_v'), kv);
    }
  }
  if (traits.queryKeyNorm !== undefined) {
    const shapeOf = (count: number) =>
      traits.queryKeyNorm === 'head'
        ? [headDim]
        : traits.queryKeyNorm === 'whole'
          ? [headDim * count]
          : [headDim, count];
    const gains = (part: string, ne: number[]) =>
      make.gains(
        name(`${part}.weight`),
        ne.reduce((product, n) => product * n, 1),
        ne,
      );
    yield gains('attn_q_norm', shapeOf(heads));
    if (!borrows) yield gains('attn_k_norm', shapeOf(kvHeads));
  }
  yield make.matrix(name('attn_output'), q, embedding);
  if (traits.sinks === true) {
    yield make.bias(name('attn_output'), embedding);
    yield make.normal(name('attn_sinks.weight'), heads);
  } else if (outputBias) {
    yield make.bias(name('attn_output'), embedding);
  }
}

function* dense(
  { embedding, feedForward, traits, outputBias }: Shape,
  name: Name,
  make: Makers,
): Generator<GgufTensorSource> {
  const gated = traits.fusedUp !== true && traits.ungated !== true;
  if (gated) yield make.matrix(name('ffn_gate'), embedding, feedForward);
  yield make.matrix(name('ffn_up'), embedding, traits.fusedUp === true ? 2 * feedForward : feedForward);
  yield make.matrix(name('ffn_down'), feedForward, embedding);
  if (!outputBias) return;
  if (gated) yield make.bias(name('ffn_gate'), feedForward);
  yield make.bias(name('ffn_up'), feedForward);
  yield make.bias(name('ffn_down'), embedding);
}

function* experts(
  { family, traits, embedding, feedForward, expertLength, experts: mixed }: Shape,
  name: Name,
  make: Makers,
): Generator<GgufTensorSource> {
  const count = mixed?.count ?? 0;
  const width = traits.expertsAsWide === true ? feedForward : expertLength;
  // Clear choices: a router whose logits nearly tie would choose by rounding.
  yield make.matrix(name('ffn_gate_inp'), embedding, count, 4);
  if (family === 'gemma4') {
    yield make.gains(name('ffn_gate_inp.scale'), embedding);
    for (const norm of ['pre_ffw_norm_2', 'post_ffw_norm_1', 'post_ffw_norm_2']) {
      yield* make.norm(name(norm), embedding);
    }
    yield make.stack(name('ffn_gate_up_exps'), embedding, 2 * width, count);
    yield make.stack(name('ffn_down_exps'), width, embedding, count);
    yield make.gains(name('ffn_down_exps.scale'), count);
    return;
  }
  yield make.stack(name('ffn_gate_exps'), embedding, width, count);
  yield make.stack(name('ffn_up_exps'), embedding, width, count);
  yield make.stack(name('ffn_down_exps'), width, embedding, count);
  if (traits.expertBias === true) {
    yield make.bias(name('ffn_gate_inp'), count);
    for (const [part, size] of [
      ['ffn_gate_exps', width],
      ['ffn_up_exps', width],
      ['ffn_down_exps', embedding],
    ] as const) {
      yield make.bias(name(part), size * count, [size, count]);
    }
  }
  if (traits.choiceBias === true) yield make.bias(name('exp_probs_b'), count);
  if (traits.shared === undefined || traits.shared === 'layer') return;
  if (traits.shared === 'gated') {
    const gate = make.matrix(name('ffn_gate_inp_shexp'), embedding, 1);
    yield { ...gate, ne: [embedding] };
  }
  const sharedWidth = traits.sharedCount === undefined ? 2 * embedding : traits.sharedCount * width;
  yield make.matrix(name('ffn_gate_shexp'), embedding, sharedWidth);
  yield make.matrix(name('ffn_up_shexp'), embedding, sharedWidth);
  yield make.matrix(name('ffn_down_shexp'), sharedWidth, embedding);
}
