/**
 * How far two right computations of one model may lie apart: what every bound follows from that depends on how a CPU
 * rounds.
 *
 * Two CPUs, or two orders of one sum, differ in each result by the rounding error of a sum of products, about √n × 2⁻²⁴
 * for n terms. What a model makes of such a difference is measured on the machine that tests, since roundings to 8 or
 * 16 bits turn one that falls on an edge into a whole step, and sharp attention amplifies: the same file with every
 * weight of its norms moved by that much, computed by the same code.
 */
import { appendFileSync, closeSync, copyFileSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openGguf } from '../../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { TensorType } from '../../../packages/engine/src/ggml/graph/tensor.ts';
import { createPrng } from '../prng.ts';

/**
 * How many times the measured effect of rounding a root mean square over many logits may be. On all variants of ggml's
 * x86 libraries and of the native ones it was at most 1.4; one wrong sign, scale or position gives a hundred and more.
 */
export const roundingMargin = 3;

/** Root of the mean square. */
export function rms(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] ?? Number.NaN) ** 2;
  return Math.sqrt(sum / values.length);
}

/** File to which every comparison adds how much of its bound it used: scripts/cpu-variants.mjs reports the most. */
const ratioFile = process.env.BLOCK_ATTENTION_TEST_RATIOS;

/** Expects an error to be at most its bound. */
export function expectWithin(error: number, bound: number | undefined, what?: string): void {
  if (ratioFile)
    appendFileSync(ratioFile, `${error / (bound ?? 0)} ${what ?? ''} ${expect.getState().currentTestName}\n`);
  expect(error, what).toBeLessThanOrEqual(bound ?? 0);
}

/** Calls `run` with copies of a model that rounding could have made of it: files that are gone afterwards. */
export async function withPerturbed<T>(
  path: string,
  run: (path: string) => Promise<T>,
  { copies = 2, deviation }: { readonly copies?: number; readonly deviation?: number } = {},
): Promise<T[]> {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-rounding-'));
  try {
    const out: T[] = [];
    for (let seed = 1; seed <= copies; seed++) {
      const copy = join(folder, `${seed}.gguf`);
      await writePerturbed(path, copy, seed, deviation);
      out.push(await run(copy));
    }
    return out;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A copy with the norms' weights moved at random by a relative `deviation`, rounding's own unless given. */
async function writePerturbed(from: string, to: string, seed: number, deviation?: number): Promise<void> {
  const tensors = [...(await openGguf(from)).tensors.values()];
  const longest = Math.max(...tensors.filter(({ ne }) => ne[1] > 1).map(({ ne }) => ne[0]));
  const range = Math.sqrt(3) * (deviation ?? Math.sqrt(longest) * 2 ** -24);
  const prng = createPrng(seed);
  copyFileSync(from, to);
  const file = openSync(to, 'r+');
  try {
    for (const { name, type, offset, bytes } of tensors) {
      if (type !== TensorType.F32 || !/norm\w*\.weight$/.test(name)) continue;
      const values = new Float32Array(bytes / 4);
      readSync(file, values, 0, bytes, offset);
      writeSync(
        file,
        values.map((value) => value * (1 + range * (2 * prng.uniform() - 1))),
        0,
        bytes,
        offset,
      );
    }
  } finally {
    closeSync(file);
  }
}
