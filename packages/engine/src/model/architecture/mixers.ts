/** What mixes tokens in each layer of a model: attention, or a short convolution. */
import type { AttentionParameters } from './layer-attention.ts';
import type { ConvolutionParameters } from './short-convolution.ts';

export type Mixer = AttentionParameters | ConvolutionParameters;

export function isConvolution(mixer: Mixer): mixer is ConvolutionParameters {
  return 'taps' in mixer;
}

/** The mixers of a model, and each kind by itself. */
export interface Mixers {
  /** Of each layer, in their order. */
  readonly mixers: readonly Mixer[];
  /** Of the layers that attend. */
  readonly attention: readonly AttentionParameters[];
  /** Of the others. */
  readonly convolutions: readonly ConvolutionParameters[];
}

export function mixersOf(mixers: readonly Mixer[]): Mixers {
  return {
    mixers,
    attention: mixers.flatMap((mixer) => (isConvolution(mixer) ? [] : [mixer])),
    convolutions: mixers.filter(isConvolution),
  };
}
