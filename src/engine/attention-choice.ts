/** Which attention path an engine takes: the fused kernel where it is built and fits, stock operations elsewhere. */
import { BlockAttentionError } from '../errors.ts';
import { nativeKernelState } from '../ggml/index.ts';
import {
  type AttentionFactory,
  type KvLayout,
  type Model,
  nativeAttention,
  portableAttention,
} from '../model/index.ts';

export interface AttentionChoice {
  readonly name: 'native' | 'portable';
  readonly factory: AttentionFactory;
  /** Bytes of a sequence's scores that the path keeps at once; none where scores never leave the registers. */
  readonly keepsScores: boolean;
}

/** Heads the kernel takes are multiples of this. */
const kernelHeadStep = 8;

/**
 * @throws INVALID_ARGUMENT for an unknown path; BACKEND_UNAVAILABLE when `native` was asked for and cannot be had.
 */
export function chooseAttention(wanted: string, model: Model, layout: KvLayout): AttentionChoice {
  if (wanted !== 'auto' && wanted !== 'native' && wanted !== 'portable') {
    throw new BlockAttentionError('INVALID_ARGUMENT', `attention is ${wanted}: use auto, native or portable`);
  }
  const portable = (): AttentionChoice => ({
    name: 'portable',
    factory: portableAttention(model, layout),
    keepsScores: true,
  });
  if (wanted === 'portable') return portable();
  const refusal = whyNot(model);
  const { kernel } = nativeKernelState();
  if (kernel !== undefined && refusal === undefined) {
    return { name: 'native', factory: nativeAttention(kernel)(model, layout), keepsScores: false };
  }
  if (wanted === 'auto') return portable();
  throw new BlockAttentionError('BACKEND_UNAVAILABLE', `attention "native": ${refusal}; use auto or portable`);
}

function whyNot({ backend, hyperParameters }: Model): string | undefined {
  if (!backend.isCpu) return `the kernel runs on the CPU, not on ${backend.name}`;
  for (const { headDim, valueDim } of hyperParameters.attention) {
    if (headDim % kernelHeadStep !== 0) return `heads of ${headDim} dimensions do not fit it`;
    if (valueDim !== headDim) return `values of ${valueDim} dimensions to keys of ${headDim} do not fit it`;
  }
  return nativeKernelState().reason;
}
