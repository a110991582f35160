/**
 * The native graph nodes of training (native/src/training.h): products of linear layers and attention over packed rows,
 * with their gradients. CPU only, and optional: without them training takes ggml's own operations.
 */
import koffi from 'koffi';
import { allocateMemory, type NativeMemory } from '../ffi/memory.ts';
import { toFloatAddress } from '../graph/quantize.ts';
import { TensorType, typeTraits } from '../graph/tensor.ts';
import { loadNativeKernel } from './native-kernel.ts';

/** BA_TRAINING_ABI_VERSION of native/src/training.h. */
const abiVersion = 2;

/** Which product of W [in, out], x [in, rows] and a gradient g [out, rows]. */
export const Product = {
  /** (W, x) -> [out, rows] */
  forward: 0,
  /** (W, g) -> [in, rows] */
  backToInput: 1,
  /** (x, g) -> [in, out] */
  backToWeights: 2,
} as const;
export type Product = (typeof Product)[keyof typeof Product];

/** A node's function and what it is given, for GraphContext.custom(). */
export interface NativeNode {
  readonly fun: bigint;
  readonly userdata: bigint;
}

export interface TrainingKernel {
  /** Whether products that may be rounded to bf16 are: on CPUs that multiply such numbers faster. */
  readonly rounds: boolean;
  /**
   * The product with a W of this type, or undefined where the type has no conversion to floats. Valid for ever.
   * @param rounded both operands may be rounded to bf16, sums stay f32; not for backToWeights. Defaults to false
   */
  product(product: Product, type: TensorType, rounded?: boolean): NativeNode | undefined;
  /**
   * Attention of rows of `rowTokens` tokens and its gradient.
   * The caller frees the memory once no graph with these nodes computes any more.
   */
  attention(rowTokens: number, scale: number): { forward: NativeNode; back: NativeNode; memory: NativeMemory };
}

let kernel: TrainingKernel | undefined;
let loadedFrom: string | undefined;

/** The nodes, or undefined where the library is absent, of another version, or switched off. */
export function loadTrainingKernel(): TrainingKernel | undefined {
  const path = loadNativeKernel()?.path;
  if (path === undefined) return undefined;
  if (path !== loadedFrom) {
    loadedFrom = path;
    kernel = open(path);
  }
  return kernel;
}

function open(path: string): TrainingKernel | undefined {
  const library = koffi.load(path);
  try {
    const version = library.func('int32_t ba_training_abi_version(void)') as () => number;
    if (version() !== abiVersion) return undefined;
  } catch {
    return undefined;
  }
  const symbol = (name: string) => library.symbol(name) as bigint;
  const fun = symbol('ba_training_product');
  const forward = symbol('ba_training_attention');
  const back = symbol('ba_training_attention_back');
  const products = new Map<string, NativeNode | undefined>();
  return {
    rounds: (library.func('int32_t ba_training_rounds(void)') as () => number)() === 1,
    product(product, type, rounded = false) {
      const key = `${product} ${type} ${rounded}`;
      if (!products.has(key)) {
        const userdata = matrixStruct(product, type, rounded);
        products.set(key, userdata === undefined ? undefined : { fun, userdata });
      }
      return products.get(key);
    },
    attention(rowTokens, scale) {
      const memory = allocateMemory(8);
      const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
      view.setInt32(0, rowTokens, true);
      view.setFloat32(4, scale, true);
      const userdata = memory.address;
      return { memory, forward: { fun: forward, userdata }, back: { fun: back, userdata } };
    },
  };
}

/** A ba_training_matrix that lives as long as the process: there are a handful. */
function matrixStruct(product: Product, type: TensorType, rounded: boolean): bigint | undefined {
  const { blockElements, blockBytes } = typeTraits(type);
  const convert = type === TensorType.F32 ? 0n : toFloatAddress(type);
  if (convert === null || blockElements > 256) return undefined;
  const { address, bytes } = allocateMemory(32);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(0, product, true);
  view.setInt32(4, blockElements, true);
  view.setBigInt64(8, BigInt(blockBytes), true);
  view.setBigUint64(16, convert, true);
  view.setBigInt64(24, rounded ? 1n : 0n, true);
  return address;
}
