/** Rows that meet weights of several types, as q, k and v of most quantised files do: packed once or not, the products are right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrng } from '../../../../../tests/support/prng.ts';
import { Backend } from '../../ggml/device/backend.ts';
import { allocateMemory } from '../../ggml/ffi/memory.ts';
import { GraphContext } from '../../ggml/graph/graph-context.ts';
import { dequantize, quantize } from '../../ggml/graph/quantize.ts';
import { type Shape, TensorType } from '../../ggml/graph/tensor.ts';
import { nativeKernelState } from '../../ggml/native/native-kernel.ts';
import { nativeLinear } from './linear-native.ts';

const { kernel } = nativeKernelState();
const inputs = 512;
const outputs = 32;
const manyRows = 24;
const experts = 5;
const used = 2;
const { F32, I32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, MXFP4 } = TensorType;
const types = { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, MXFP4 };
const names = Object.keys(types) as (keyof typeof types)[];
/** Rows are packed to 8 bits, scaled by their largest of 32 or 256: half a step of 1/127 each, averaging over the inputs. */
const bound = 0.02;

const random = createPrng(5);
/** With a mean, without which a sum that is left out does not show. */
const gaussian = (length: number) => random.normal(length, 1, 0.25);
const x = gaussian(manyRows * inputs);
const weights = new Map<string, { readonly bytes: Uint8Array; readonly values: Float32Array }>();

const owned: { free(): void }[] = [];
let backend: Backend;
beforeAll(async () => {
  backend = await Backend.open({ device: 'cpu', threads: 2 });
  for (const name of names) {
    const bytes = quantize(types[name], gaussian(inputs * outputs * experts), inputs);
    weights.set(name, { bytes, values: dequantize(types[name], bytes, inputs) });
  }
});
afterAll(() => {
  for (const memory of owned) memory.free();
  backend.dispose();
});

/** Which experts rows meet: undefined for a plain matrix, the first of them. */
type Chosen = Int32Array | undefined;

interface Meeting {
  readonly chosen?: Chosen;
  /** One row alone, which meets as many weights at once as can be. Defaults to no. */
  readonly decodes?: boolean;
}

/** Relative error of each product against double precision over the very weights. */
async function errors(
  order: readonly (keyof typeof types)[],
  { chosen, decodes = false }: Meeting = {},
): Promise<number[]> {
  const rows = decodes ? 1 : manyRows;
  if (kernel === undefined) throw new Error('there is a kernel');
  const g = new GraphContext(80);
  const allocator = backend.allocator();
  const allocate = (bytes: number) => {
    const memory = allocateMemory(bytes);
    owned.push(memory);
    return memory;
  };
  const memory = (bytes: Uint8Array) => {
    const held = allocate(bytes.byteLength);
    held.bytes.set(bytes);
    return backend.hostMemory(held.address);
  };
  const place = (type: TensorType, ne: Shape, bytes: Uint8Array) => backend.placed(g, type, ne, memory(bytes), 0);
  const input = place(
    F32,
    chosen ? [inputs, 1, rows, 1] : [inputs, rows, 1, 1],
    new Uint8Array(x.buffer, 0, rows * inputs * 4),
  );
  const ids = chosen && place(I32, [used, rows, 1, 1], new Uint8Array(chosen.buffer));
  const linear = nativeLinear(kernel, g, { decodes });
  const each = chosen ? used : 1;
  const placed = order.map((name) => {
    const { bytes } = weights.get(name) ?? { bytes: new Uint8Array(0) };
    return place(types[name], [inputs, outputs, chosen ? experts : 1, 1], bytes);
  });
  const joint = decodes ? linear.matrices?.(placed, input) : undefined;
  const oneStep = order.every((name) => kernel.linear.oneRow.takes(types[name], inputs, outputs));
  if (decodes) expect(joint !== undefined).toBe(oneStep);
  const outs = placed.map((weight, i) => {
    const y = joint?.[i] ?? (ids ? linear.experts(weight, input, ids) : linear.matrix(weight, input));
    if (y === undefined) throw new Error(`${order[i]} is taken`);
    const out = allocate(outputs * each * rows * 4);
    g.expand(g.copy(y, backend.placed(g, F32, y.ne, backend.hostMemory(out.address), 0)));
    return out;
  });
  allocator.place(g);
  await allocator.compute(g);
  allocator.dispose();
  g.dispose();
  return outs.map(({ bytes }, i) => {
    const values = weights.get(order[i] ?? 'F32')?.values ?? new Float32Array(0);
    const y = new Float32Array(bytes.buffer, bytes.byteOffset, outputs * each * rows);
    let wrong = 0;
    let size = 0;
    for (let r = 0; r < rows * each; r++) {
      const matrix = (chosen?.[r] ?? 0) * outputs * inputs;
      const row = Math.floor(r / each) * inputs;
      for (let o = 0; o < outputs; o++) {
        let sum = 0;
        for (let k = 0; k < inputs; k++) sum += (values[matrix + o * inputs + k] ?? 0) * (x[row + k] ?? 0);
        wrong += ((y[r * outputs + o] ?? Number.NaN) - sum) ** 2;
        size += sum ** 2;
      }
    }
    return Math.sqrt(wrong / size);
  });
}

const meetings: Record<string, Chosen> = {
  'a matrix': undefined,
  'experts, two for each row': Int32Array.from({ length: manyRows * used }, (_, i) => (i * 5 + (i >> 2)) % experts),
  'experts, of which most meet nobody': Int32Array.from({ length: manyRows * used }, (_, i) =>
    i % used === 0 ? 4 : 1,
  ),
};

describe.skipIf(kernel === undefined).each(Object.entries(meetings))(
  'native linear layers over the same rows: %s',
  (_, chosen) => {
    it.each(names)('%s first, then every other type', async (first) => {
      const order = [first, ...names.filter((name) => name !== first)];
      const found = await errors(order, { chosen });
      for (const [i, error] of found.entries()) expect(error, `${order[i]} behind ${first}`).toBeLessThan(bound);
    });
  },
);

describe.skipIf(kernel === undefined)('one row that is decoded', () => {
  it.each(names)('meets %s beside the next two types', async (first) => {
    const order = [0, 1, 2].map((i) => names[(names.indexOf(first) + i) % names.length] ?? first);
    const found = await errors(order, { decodes: true });
    for (const [i, error] of found.entries()) expect(error, `${order[i]} in ${order.join()}`).toBeLessThan(bound);
  });

  it('is a row of a prompt in other graphs, which meets one weight at a time', () => {
    if (kernel === undefined) return;
    const context = new GraphContext(8);
    const weight = context.tensor(Q4_1, inputs, outputs);
    const found = nativeLinear(kernel, context).matrices?.([weight, weight], context.tensor(F32, inputs));
    context.dispose();
    expect(found).toBe(undefined);
  });
});
