/**
 * What a device's memory is used for, decided before anything is loaded there: weights, what a batch takes, blocks, and
 * the states of answers. A figure that does not fit is refused with all of them, instead of failing somewhere later.
 *
 * Estimates: drivers round up and keep some for themselves, for which a share stays free.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { type HyperParameters, KvLayout, readHyperParameters, rowsBytes } from '../../model/index.ts';
import type { EngineOptions, KvType } from '../types.ts';
import { encodingTokens } from './encoding-room.ts';

/** Share of the device's memory that nothing is planned for. */
const spareShare = 0.05;
/** Tokens that must at least fit besides the weights, in blocks and in a sequence each. */
const leastTokens = 1024;
const mib = 2 ** 20;

export interface DeviceMemoryRequest {
  /** Of the device, as its driver counts them. */
  readonly free: number;
  readonly total: number;
  readonly device: string;
  /** Bytes of tensors that are uploaded. */
  readonly weightBytes: number;
  /** Bytes of a batch's intermediate results: scratchBytes(). */
  readonly scratchBytes: number;
  readonly layout: KvLayout;
  /** What was asked for; chosen when undefined. */
  readonly poolBytes: number | undefined;
  readonly kvBytes: number | undefined;
  /** A pool larger than what it caches is of no use. */
  readonly storeBytes: number;
}

export interface DeviceMemoryPlan {
  readonly weightBytes: number;
  readonly scratchBytes: number;
  /** States of blocks that are being encoded. */
  readonly encodingBytes: number;
  readonly poolBytes: number;
  readonly kvBytes: number;
}

/** Bytes of all tensors of a file. */
export function weightBytes(file: GgufFile): number {
  let sum = 0;
  for (const { bytes } of file.tensors.values()) sum += bytes;
  return sum;
}

/**
 * Bytes of the intermediate results of a batch, from above: residuals, projections, the widest feed-forward, masks, and
 * logits of some rows, in f32.
 */
export function scratchBytes(hp: HyperParameters, batchTokens: number, keys: number): number {
  const { embeddingLength, feedForwardLength, heads, kvHeads, headDim, vocabulary, experts } = hp;
  const routed = experts === undefined ? 0 : 3 * experts.used * experts.feedForwardLength + experts.count;
  const row = 6 * embeddingLength + 3 * Math.max(feedForwardLength, routed) + 3 * (heads + 2 * kvHeads) * headDim;
  return 4 * batchTokens * row + 2 * batchTokens * keys + 4 * 64 * vocabulary;
}

/** Tokens that a device reads at once: as many as keep it busy. */
export const deviceBatchTokens = 2048;
/** Keys that the plan has masks for. */
const plannedKeys = 32_768;

/** The plan for a model that is about to be loaded; undefined on the CPU, or where the device's size is not known. */
export function planEngineMemory(
  file: GgufFile,
  backend: Backend,
  options: Pick<EngineOptions, 'contextTokens' | 'kvBytes' | 'poolBytes' | 'store' | 'storeBytes'> & {
    readonly kvType: KvType;
    readonly defaultStoreBytes: number;
  },
): DeviceMemoryPlan | undefined {
  const { free, total } = backend.deviceMemory();
  if (backend.isCpu || total === 0) return undefined;
  const { limitBytes } = backend.memoryUse();
  const hp = readHyperParameters(file);
  const { contextTokens = hp.trainedContext, store, storeBytes = options.defaultStoreBytes } = options;
  return planDeviceMemory({
    device: backend.name,
    free: Math.min(free, limitBytes),
    total: Math.min(total, limitBytes),
    weightBytes: weightBytes(file),
    scratchBytes: scratchBytes(hp, deviceBatchTokens, Math.min(contextTokens, plannedKeys)),
    layout: new KvLayout(hp, options.kvType),
    poolBytes: options.poolBytes,
    kvBytes: options.kvBytes,
    storeBytes: store?.stats().budgetBytes ?? storeBytes,
  });
}

/** @throws MODEL_TOO_LARGE with every figure, and what can be lowered */
export function planDeviceMemory(request: DeviceMemoryRequest): DeviceMemoryPlan {
  const { free, total, layout, storeBytes } = request;
  const encodingBytes = rowsBytes(layout, encodingTokens);
  const fixed = request.weightBytes + request.scratchBytes + encodingBytes;
  const least = rowsBytes(layout, leastTokens);
  const room = Math.floor(free - total * spareShare - fixed);
  const left = (taken: number | undefined) => Math.max(0, room - (taken ?? 0));
  const poolBytes =
    request.poolBytes ??
    Math.min(storeBytes, Math.floor(left(request.kvBytes) / (request.kvBytes === undefined ? 2 : 1)));
  const kvBytes = request.kvBytes ?? left(poolBytes);
  const { weightBytes: weights, scratchBytes: scratch } = request;
  const plan = { weightBytes: weights, scratchBytes: scratch, encodingBytes, poolBytes, kvBytes };
  if (poolBytes + kvBytes > room || kvBytes < least) throw tooLarge(request, plan, least);
  return plan;
}

function tooLarge(
  { device, free, total }: DeviceMemoryRequest,
  plan: DeviceMemoryPlan,
  least: number,
): BlockAttentionError {
  const sized = (bytes: number) => `${Math.ceil(bytes / mib)} MiB`;
  const parts = [
    `weights ${sized(plan.weightBytes)}`,
    `intermediate results ${sized(plan.scratchBytes)}`,
    `blocks being encoded ${sized(plan.encodingBytes)}`,
    `blocks (poolBytes) ${sized(plan.poolBytes)}`,
    `states of answers (kvBytes) ${sized(Math.max(plan.kvBytes, least))}`,
    `${100 * spareShare} % of ${sized(total)} to spare`,
  ];
  return new BlockAttentionError(
    'MODEL_TOO_LARGE',
    `${device} has ${sized(free)} free, the model needs about: ${parts.join(', ')}: take a smaller quantisation, kvType q8_0, fewer bytes for blocks or answers, or --device cpu`,
  );
}
