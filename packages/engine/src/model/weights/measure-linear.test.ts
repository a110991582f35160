import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeRandomModel } from '../../../../../tests/support/models/random-model.ts';
import { Backend } from '../../ggml/device/backend.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import { nativeKernelState } from '../../ggml/native/native-kernel.ts';
import { Model } from '../model.ts';
import { className } from './linear-choice.ts';
import { LinearTimer, linearClasses, linearMachine } from './measure-linear.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
const path = join(folder, 'model.gguf');
let backend: Backend;
beforeAll(async () => {
  await writeRandomModel(path, { family: 'llama', embedding: 256, weights: TensorType.Q4_K }, 1);
  backend = await Backend.open({ device: 'cpu', threads: 2 });
});
afterAll(() => {
  backend.dispose();
  rmSync(folder, { recursive: true });
});

const { kernel } = nativeKernelState();

describe.skipIf(kernel === undefined)('linear layers of a model', () => {
  test('are classes of type and row length, which both paths can be timed for', async () => {
    if (kernel === undefined) return;
    const model = await Model.load(path, backend);
    const { classes, weights } = linearClasses(model.file, kernel);
    model.dispose();
    expect(classes).toEqual([
      { type: 'Q4_K', inputs: 256 },
      { type: 'Q4_K', inputs: 256, rows: 'one' },
      { type: 'Q4_K', inputs: 256, rows: 'few' },
      { type: 'Q4_K', inputs: 512 },
      { type: 'Q4_K', inputs: 512, rows: 'one' },
      { type: 'Q4_K', inputs: 512, rows: 'few' },
    ]);
    // Per layer q and output 256 x 256, k and v 256 x 128, three of 256 x 512.
    expect(weights).toBe(3 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512));
    using timer = new LinearTimer(backend, kernel, true);
    const others = [
      { type: 'F32', inputs: 64 },
      { type: 'Q8_0', inputs: 64 },
      { type: 'Q4_0', inputs: 64, experts: true },
    ];
    for (const one of [...classes, ...others]) {
      for (const name of ['native', 'ggml', 'native'] as const) expect(await timer.time(name, one)).toBeGreaterThan(0);
    }
    const machine = linearMachine(backend, kernel, true);
    expect(machine).toBe(linearMachine(backend, kernel, true));
    expect(machine).not.toBe(linearMachine(backend, kernel, false));
  });

  test('are for the head of rows whose logits are wanted alone, of one and of few', async () => {
    if (kernel === undefined) return;
    const wide = join(folder, 'wide.gguf');
    await writeRandomModel(
      wide,
      { family: 'llama', embedding: 256, weights: TensorType.Q8_0, mixed: [TensorType.Q4_K] },
      1,
    );
    const model = await Model.load(wide, backend);
    const { classes, weights } = linearClasses(model.file, kernel);
    model.dispose();
    expect(classes.filter(({ type }) => type === 'Q8_0')).toEqual([
      { type: 'Q8_0', inputs: 256, rows: 'one' },
      { type: 'Q8_0', inputs: 256, rows: 'few' },
    ]);
    expect(weights).toBe(3 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512));
  });

  test("of a mixture are its experts', too", async () => {
    if (kernel === undefined) return;
    const mixture = join(folder, 'mixture.gguf');
    const experts = { count: 4, used: 2 };
    await writeRandomModel(mixture, { family: 'llama', embedding: 256, experts, weights: TensorType.MXFP4 }, 1);
    const model = await Model.load(mixture, backend);
    const { classes } = linearClasses(model.file, kernel);
    model.dispose();
    expect(classes).toContainEqual({ type: 'MXFP4', inputs: 256 });
    expect(classes).toContainEqual({ type: 'MXFP4', inputs: 256, experts: true });
  });

  test('of a large model are measured while the weights of the measurement are there, and remembered', async () => {
    if (kernel === undefined) return;
    const large = join(folder, 'large.gguf');
    await writeRandomModel(large, { family: 'llama', embedding: 1024, layers: 2, weights: TensorType.Q4_0 }, 1);
    const load = async (linearFolder?: string) => {
      const model = await Model.load(large, backend, { linear: 'auto', linearFolder });
      model.dispose();
      return model.linearDecisions;
    };
    const remembers = join(folder, 'remembered');
    for (const [linearFolder, reason] of [
      [undefined, 'measured'],
      [remembers, 'measured'],
      [remembers, 'remembered'],
    ] as const) {
      const decisions = await load(linearFolder);
      expect(decisions.map((one) => `${className(one)} ${one.reason}`)).toEqual([
        `Q4_0 1024 ${reason}`,
        `one row, Q4_0 1024 ${reason}`,
        `few rows, Q4_0 1024 ${reason}`,
        `Q4_0 2048 ${reason}`,
        `one row, Q4_0 2048 ${reason}`,
        `few rows, Q4_0 2048 ${reason}`,
      ]);
      for (const { ms } of decisions) expect(Math.min(ms?.native ?? 0, ms?.ggml ?? 0)).toBeGreaterThan(0);
    }
    // Nothing is computed from memory that was given back.
    const timer = new LinearTimer(backend, kernel, true);
    await timer.time('native', { type: 'Q8_0', inputs: 64 });
    timer[Symbol.dispose]();
    await expect(timer.time('native', { type: 'Q8_0', inputs: 64 })).rejects.toMatchObject({ code: 'COMPUTE_FAILED' });
  });

  test('of a small model are not measured; what was asked for is done', async () => {
    for (const [linear, reason] of [
      ['auto', 'small'],
      ['native', 'asked'],
    ] as const) {
      const model = await Model.load(path, backend, { linear, linearFolder: join(folder, 'linear') });
      const paths = model.linearDecisions.map((one) => `${one.rows ?? 'many'} ${one.path} ${one.reason}`);
      const single = linear === 'auto' ? 'ggml' : 'native';
      const each = [`many native ${reason}`, `one ${single} ${reason}`, `few native ${reason}`];
      expect(paths).toEqual([...each, ...each]);
      model.dispose();
    }
    const stock = await Model.load(path, backend, { linear: 'ggml' });
    expect(stock.linear).toBeUndefined();
    stock.dispose();
    await expect(Model.load(path, backend, { linear: 'fast' as 'auto' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
