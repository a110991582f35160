/**
 * The state of a training run as a GGUF file: of each parameter its value and the optimizer's two moments, bit for bit.
 */

import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import { type GgufFile, openGguf } from '../../ggml/gguf/gguf-file.ts';
import { readGgufMetadata } from '../../ggml/gguf/gguf-metadata.ts';
import { writeGguf } from '../../ggml/gguf/gguf-writer.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { type Tensor, TensorType } from '../../ggml/graph/tensor.ts';
import { type Parameter, readTensor } from '../optimizer/parameters.ts';

export interface TrainingState {
  /** Optimizer steps taken. */
  readonly steps: number;
  /** What the caller wants to find again. */
  readonly note: string;
}

const architecture = 'block-attention-training';
const parts = ['value', 'mean', 'variance'] as const;

/** Names of tensors are limited to 63 bytes, too few for some with a suffix: numbers instead. */
const tensorName = (index: number, part: (typeof parts)[number]) => `${index}.${part}`;

export async function writeState(
  path: string,
  backend: Backend,
  parameters: readonly Parameter[],
  { steps, note }: TrainingState,
): Promise<void> {
  await writeGguf(
    path,
    new Map([
      ['general.architecture', { string: architecture }],
      ['training.steps', { u32: steps }],
      ['training.note', { string: note }],
      ['training.parameters', { array: { string: parameters.map(({ name }) => name) } }],
    ]),
    parameters.flatMap((parameter, index) =>
      parts.map((part) => ({
        name: tensorName(index, part),
        type: TensorType.F32,
        ne: parameter[part].ne,
        data: () => new Uint8Array(readTensor(backend, parameter[part]).buffer),
      })),
    ),
  );
}

/** @throws CHECKPOINT_INVALID, before anything is changed */
export async function readState(
  path: string,
  backend: Backend,
  parameters: readonly Parameter[],
): Promise<TrainingState> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new BlockAttentionError('CHECKPOINT_INVALID', `${path} ${why}`, { cause });
  };
  const file: GgufFile = await openGguf(path).catch((error: unknown) =>
    refuse(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error),
  );
  if (file.value('general.architecture') !== architecture) refuse('is not a training checkpoint');
  const metadata = await readGgufMetadata(file);
  const names = metadata.get('training.parameters');
  const stored = names && 'array' in names && 'string' in names.array ? [...names.array.string] : [];
  const same = stored.length === parameters.length && stored.every((name, i) => name === parameters[i]?.name);
  if (!same) refuse('was written for other parameters: give the same model, and the same --lora or --full');
  const wanted = parameters.flatMap((parameter, index) =>
    parts.map((part): [Tensor, ReturnType<GgufFile['tensors']['get']>] => [
      parameter[part],
      file.tensors.get(tensorName(index, part)),
    ]),
  );
  for (const [tensor, entry] of wanted) {
    if (entry === undefined || entry.ne.some((n, i) => n !== tensor.ne[i])) refuse('holds tensors of another shape');
  }
  using data = new TensorData(path);
  for (const [tensor, entry] of wanted) if (entry) backend.write(tensor, data.bytes(entry));
  const note = file.value('training.note');
  return { steps: Number(file.value('training.steps') ?? 0), note: typeof note === 'string' ? note : '' };
}
