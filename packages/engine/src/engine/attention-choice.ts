/**
 * Which attention path an engine takes: the fused kernel on the CPU where it is built and fits, gathered rows on other
 * devices where they have the operations, the portable path elsewhere.
 */
import { BlockAttentionError } from '../errors.ts';
import { nativeKernelState } from '../ggml/index.ts';
import {
  type AttentionFactory,
  gatheredAttention,
  gatheredRefusal,
  type KvLayout,
  type Model,
  nativeAttention,
  portableAttention,
} from '../model/index.ts';

export type AttentionName = 'gathered' | 'native' | 'portable';

export interface AttentionChoice {
  readonly name: AttentionName;
  readonly factory: AttentionFactory;
  /** Why `auto` had to be `portable`, and what to do about it; null otherwise, and where the user wants it so. */
  readonly reason: string | null;
  /** Bytes of a sequence's scores that the path keeps at once; none where scores never leave the registers. */
  readonly keepsScores: boolean;
}

/** Heads the kernel takes are multiples of this. */
const kernelHeadStep = 8;
const names: readonly string[] = ['auto', 'gathered', 'native', 'portable'];

/**
 * @throws INVALID_ARGUMENT for an unknown path; BACKEND_UNAVAILABLE when `native` or `gathered` was asked for and cannot
 * be had.
 */
export function chooseAttention(wanted: string, model: Model, layout: KvLayout): AttentionChoice {
  if (!names.includes(wanted)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `attention is ${wanted}: use auto, gathered, native or portable`);
  }
  const portable = {
    name: 'portable',
    reason: null,
    factory: portableAttention(model, layout),
    keepsScores: true,
  } as const;
  if (wanted === 'portable') return portable;
  if (wanted === 'gathered' || (wanted === 'auto' && !model.backend.isCpu)) {
    const refusal = gatheredRefusal(model, layout) ?? (wanted === 'auto' ? softwareDevice(model) : undefined);
    if (refusal === undefined)
      return { name: 'gathered', reason: null, factory: gatheredAttention(model), keepsScores: false };
    if (wanted === 'gathered') throw unavailable(wanted, refusal);
    return { ...portable, reason: `${refusal}; slower with every block` };
  }
  const refusal = whyNot(model);
  const { kernel, code } = nativeKernelState();
  if (kernel !== undefined && refusal === undefined) {
    return { name: 'native', reason: null, factory: nativeAttention(kernel)(model, layout), keepsScores: false };
  }
  if (wanted === 'auto') return { ...portable, reason: code === 'off' ? null : (refusal ?? null) };
  throw unavailable(wanted, refusal);
}

/** The least LLVM of Mesa's software device with which a whole engine was seen to run (docs/gpu.md). */
const leastLlvm = 19;

/** Drivers that compute on the CPU: in older ones a whole engine on gathered rows ended the process. */
function softwareDevice({ backend: { description } }: Model): string | undefined {
  if (!/llvmpipe|lavapipe|swiftshader/i.test(description)) return undefined;
  const llvm = Number(/LLVM (\d+)/.exec(description)?.[1] ?? 0);
  return llvm >= leastLlvm ? undefined : `gathered rows crash on ${description}: install Mesa 25 or newer`;
}

function unavailable(wanted: string, refusal: string | undefined): BlockAttentionError {
  return new BlockAttentionError('BACKEND_UNAVAILABLE', `attention "${wanted}": ${refusal}; use auto or portable`);
}

function whyNot({ backend, hyperParameters }: Model): string | undefined {
  if (!backend.isCpu) return `the kernel runs on the CPU, not on ${backend.name}`;
  for (const { headDim, valueDim, valuesInKeys } of hyperParameters.attention) {
    if (headDim % kernelHeadStep !== 0) return `heads of ${headDim} dimensions do not fit it`;
    if (valuesInKeys && valueDim % kernelHeadStep !== 0) return `values of ${valueDim} dimensions do not fit it`;
    if (valueDim !== headDim && !valuesInKeys)
      return `values of ${valueDim} dimensions to keys of ${headDim} do not fit it`;
  }
  return nativeKernelState().reason;
}
