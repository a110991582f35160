/**
 * Times products of linear layers by the native kernel and by ggml on weights of no meaning, of the type and row length of
 * a model's, to choose between them (linear-choice.ts). Some milliseconds for each. CPU only.
 */

import { statSync } from 'node:fs';
import { cpus } from 'node:os';
import { Cleanup } from '../../cleanup.ts';

import { BlockAttentionError } from '../../errors.ts';
import type { Backend } from '../../ggml/device/backend.ts';
import { nativeRelease } from '../../ggml/ffi/library.ts';
import { allocateMemory } from '../../ggml/ffi/memory.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { byteSize, type Shape, type Tensor, TensorType, typeName } from '../../ggml/graph/tensor.ts';
import type { NativeKernel } from '../../ggml/native/native-kernel.ts';
import { className, type LinearClass, type LinearPathName } from './linear-choice.ts';
import { decodesWith, nativeLinear } from './linear-native.ts';

/**
 * Rows and outputs of a measured product: enough that what is done once per row, or once per weight, counts about as much
 * as in a model.
 */
const manyRows = 128;
const decodedRows = { one: 1, few: 4 } as const;
const outputs = 1024;
/**
 * Bytes of the weights that decoded rows meet, at least: more than a core's cache holds, and so many that starting a graph
 * counts for little beside them.
 */
const decodedBytes = 6 << 20;
/** Of experts: 512 rows of 8 each to 128 of them, or of 4 to 32, are as many rows for one as this, or twice. */
const experts = 16;
const used = 4;

/** The classes of a model's matrices that the native kernel takes, and how many weights its layers have. */
export function linearClasses(file: GgufFile, kernel: NativeKernel): { classes: LinearClass[]; weights: number } {
  const classes = new Map<string, LinearClass>();
  let weights = 0;
  const layers = [...file.tensors.values()].filter(({ name }) => name.startsWith('blk.'));
  const head = file.tensors.get('output.weight') ?? file.tensors.get('token_embd.weight');
  for (const tensor of head === undefined ? layers : [...layers, head]) {
    const { name, type, ne } = tensor;
    const isHead = tensor === head;
    // A convolution's kernel is not a matrix to multiply with.
    if (name.endsWith('.shortconv.conv.weight') || ne[1] <= 1) continue;
    const routed = ne[2] > 1;
    if (routed && !name.endsWith('_exps.weight')) continue;
    if (kernel.linear.packedBytes(type, ne[0], outputs, manyRows) < 0) continue;
    if (!isHead) weights += ne[0] * ne[1] * ne[2];
    const one = { type: typeName(type), inputs: ne[0], ...(routed && { experts: true }) };
    // Only rows whose logits are wanted meet the head.
    const prompts = isHead ? [] : [undefined];
    const kinds = [...prompts, ...(['one', 'few'] as const).filter((rows) => decodesWith(kernel, tensor, rows))];
    for (const rows of kinds) {
      const each = { ...one, ...(rows !== undefined && { rows }) };
      classes.set(className(each), each);
    }
  }
  return { classes: [...classes.values()], weights };
}

/** What times depend on besides the class. */
export function linearMachine(backend: Backend, kernel: NativeKernel, repack: boolean): string {
  const { size, mtimeMs } = statSync(kernel.path);
  const library = `${size} ${Math.round(mtimeMs)}`;
  const parts = [
    cpus()[0]?.model.trim(),
    kernel.isa,
    kernel.linearIsa,
    library,
    nativeRelease,
    backend.description,
    backend.threads,
    repack,
  ];
  return JSON.stringify(parts);
}

/** One product of each class and path, made ready once. */
export class LinearTimer implements Disposable {
  readonly #backend: Backend;
  readonly #kernel: NativeKernel;
  readonly #repack: boolean;
  readonly #ready = new Map<string, () => Promise<number>>();
  /** The same for every number of rows. */
  readonly #weights = new Map<string, Tensor>();
  readonly #cleanup = new Cleanup();

  constructor(backend: Backend, kernel: NativeKernel, repack: boolean) {
    this.#backend = backend;
    this.#kernel = kernel;
    this.#repack = repack;
  }

  /** Runs one product. @returns ms */
  readonly time = (path: LinearPathName, of: LinearClass): Promise<number> => {
    const name = `${path} ${className(of)}`;
    const run = this.#ready.get(name) ?? this.#prepare(path, of);
    this.#ready.set(name, run);
    return run();
  };

  #prepare(path: LinearPathName, of: LinearClass): () => Promise<number> {
    const { inputs } = of;
    const rows = of.rows === undefined ? manyRows : decodedRows[of.rows];
    const backend = this.#backend;
    const weight = this.#weightOf(path, of);
    const values = this.#memory(rows * inputs * 4);
    const placed = new GraphContext(8);
    const g = new GraphContext(16);
    const allocator = backend.allocator();
    this.#cleanup.defer(() => g.dispose());
    this.#cleanup.defer(() => placed.dispose());
    this.#cleanup.defer(() => allocator.dispose());
    const shape: Shape = of.experts ? [inputs, 1, rows, 1] : [inputs, rows, 1, 1];
    const x = backend.placed(placed, TensorType.F32, shape, backend.hostMemory(values.address), 0);
    const native = path === 'native' ? nativeLinear(this.#kernel, g, { decodes: of.rows !== undefined }) : undefined;
    if (of.experts) {
      const ids = backend.hostMemory(this.#chosen(rows).address);
      const chosen = backend.placed(placed, TensorType.I32, [used, rows, 1, 1], ids, 0);
      g.output(native?.experts(weight, x, chosen) ?? g.mulMatId(weight, x, chosen));
    } else {
      g.output(native?.matrix(weight, x) ?? g.mulMat(weight, x));
    }
    allocator.place(g);
    return async () => {
      const started = performance.now();
      await allocator.compute(g);
      return performance.now() - started;
    };
  }

  #weightOf(path: LinearPathName, { type: typeText, inputs, experts: routed, rows }: LinearClass): Tensor {
    const type = typeOf(typeText);
    const rowBytes = byteSize({ type, ne: [inputs, 1, 1, 1] });
    const most =
      rows === undefined ? outputs : Math.max(outputs, Math.ceil(decodedBytes / rowBytes / outputs) * outputs);
    const name = `${path} ${className({ type: typeText, inputs, experts: routed })} ${most}`;
    const weight = this.#weights.get(name) ?? this.#makeWeight(path, type, [inputs, most, routed ? experts : 1, 1]);
    this.#weights.set(name, weight);
    return weight;
  }

  #makeWeight(path: LinearPathName, type: TensorType, shape: Shape): Tensor {
    const backend = this.#backend;
    const memory = this.#memory(byteSize({ type, ne: shape }));
    const placed = new GraphContext(8);
    this.#cleanup.defer(() => placed.dispose());
    const copy =
      path === 'ggml' && this.#repack ? backend.repacker()?.repack(placed, type, shape, memory.bytes) : undefined;
    if (copy === undefined) return backend.placed(placed, type, shape, backend.hostMemory(memory.address), 0);
    this.#cleanup.defer(() => copy.release());
    return copy.tensor;
  }

  /** Experts for every row, all of them equally often. */
  #chosen(rows: number) {
    const memory = this.#memory(used * rows * 4);
    const ids = new Int32Array(memory.bytes.buffer, memory.bytes.byteOffset, used * rows);
    for (let i = 0; i < ids.length; i++) ids[i] = i % experts;
    return memory;
  }

  /** Filled so that every type reads small numbers of ordinary size. */
  #memory(bytes: number) {
    const memory = allocateMemory(bytes, 'unset');
    memory.bytes.fill(0x31);
    this.#cleanup.defer(() => memory.free());
    return memory;
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

function typeOf(name: string): TensorType {
  const type = Object.values(TensorType).find((one) => typeName(one) === name);
  if (type === undefined) throw new BlockAttentionError('INVALID_ARGUMENT', `no type of tensors is called ${name}`);
  return type;
}
