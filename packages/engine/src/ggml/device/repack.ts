/**
 * Weights in the order the CPU's widest matrix kernels read them: ggml's extra buffer types (repacked quants, AMX).
 *
 * Costs a copy of the weights in memory and a pass over them at load; llama.cpp does the same by default. Such a tensor
 * can only be multiplied with: its bytes cannot be read back or looked up by row.
 */
import koffi from 'koffi';
import type { Bindings } from '../ffi/bindings.ts';
import { GraphContext } from '../graph/graph-context.ts';
import { contiguousStrides, type Shape, type Tensor, TensorType } from '../graph/tensor.ts';

export interface RepackedTensor {
  readonly tensor: Tensor;
  release(): void;
}

export class Repacker {
  readonly #calls: Bindings;
  readonly #device: bigint;
  readonly #bufferTypes: readonly bigint[];
  /** Whether a type and shape can be repacked, and into which buffer type. */
  readonly #known = new Map<string, bigint | undefined>();

  constructor(calls: Bindings, device: bigint) {
    this.#calls = calls;
    this.#device = device;
    const registry = calls.backend_dev_backend_reg(device);
    const address = calls.backend_reg_get_proc_address(registry, 'ggml_backend_dev_get_extra_bufts');
    this.#bufferTypes = address === null ? [] : bufferTypes(address, device);
  }

  /** A copy of `data` in the kernels' order, in a tensor of `context`; undefined when no kernel wants one. */
  repack(context: GraphContext, type: TensorType, ne: Shape, data: Uint8Array): RepackedTensor | undefined {
    const name = `${type} ${ne.join()}`;
    if (!this.#known.has(name)) this.#known.set(name, this.#find(type, ne));
    const bufferType = this.#known.get(name);
    if (bufferType === undefined) return undefined;
    const placed = this.#place(context, type, ne, bufferType);
    if (placed === undefined) return undefined;
    this.#calls.backend_tensor_set(placed.tensor.address, data, 0, data.byteLength);
    return placed;
  }

  #find(type: TensorType, ne: Shape): bigint | undefined {
    for (const bufferType of this.#bufferTypes) {
      const probe = new GraphContext(8);
      try {
        const placed = this.#place(probe, type, ne, bufferType);
        if (placed === undefined) continue;
        const product = productWith(probe, placed.tensor);
        const supported = this.#calls.backend_dev_supports_op(this.#device, product.address);
        placed.release();
        if (supported) return bufferType;
      } finally {
        probe.dispose();
      }
    }
    return undefined;
  }

  #place(context: GraphContext, type: TensorType, ne: Shape, bufferType: bigint): RepackedTensor | undefined {
    const tensor = context.tensor(type, ...ne);
    const bytes = Number(this.#calls.backend_buft_get_alloc_size(bufferType, tensor.address));
    const buffer = this.#calls.backend_buft_alloc_buffer(bufferType, bytes);
    if (buffer === null) return undefined;
    this.#calls.backend_tensor_alloc(buffer, tensor.address, this.#calls.backend_buffer_get_base(buffer));
    const release = () => this.#calls.backend_buffer_free(buffer);
    return { tensor: { ...tensor, nb: contiguousStrides(type, ne) }, release };
  }
}

/** What such a tensor would be multiplied in: a matrix with rows, matrices one behind the other with the chosen ones. */
function productWith(g: GraphContext, weight: Tensor): Tensor {
  const [inputs, , matrices] = weight.ne;
  if (matrices === 1) return g.mulMat(weight, g.tensor(TensorType.F32, inputs, 512));
  return g.mulMatId(weight, g.tensor(TensorType.F32, inputs, 1, 512), g.tensor(TensorType.I32, 2, 512));
}

/** The device's list of extra buffer types, which ends with a null pointer. */
function bufferTypes(getList: bigint, device: bigint): bigint[] {
  const get = koffi.decode(getList, koffi.proto('void *', ['void *'])) as (device: bigint) => bigint | null;
  const list = get(device);
  const found: bigint[] = [];
  if (list === null) return found;
  for (let i = 0; i < 16; i++) {
    const entry = koffi.decode(list, i * 8, 'void *') as bigint | null;
    if (entry === null || entry === 0n) break;
    found.push(entry);
  }
  return found;
}
