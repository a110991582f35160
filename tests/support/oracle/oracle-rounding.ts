/**
 * How far the logits of stored states may lie from those of a reference that stores nothing, for given prompts: the
 * effect that rounding, to the type of the states too, has on the reference itself.
 */

import { type KvType, portableAttention } from '@block-attention/engine/internal/model';
import { openGguf } from '../../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { readHyperParameters } from '../../../packages/engine/src/model/architecture/hyper-parameters.ts';
import { families } from '../../../packages/engine/src/model/families/index.ts';
import { ForwardHarness, relativeError } from './forward-harness.ts';
import { rms, roundingMargin, withPerturbed } from './rounding.ts';

/**
 * Relative deviation of a value rounded to the type: half a unit in the last place, evenly spread, of f16; of q8_0 a
 * 254th of the greatest of 32 values, which is 2.3 standard deviations when they are normal.
 */
const storage: Record<KvType, number | undefined> = {
  f32: undefined,
  f16: 2 ** -11 / Math.sqrt(3),
  q8_0: 2.3 / 254 / Math.sqrt(3),
};

/** ggml looks gelu up in a table of halves: the last bit of its input moves its output by 5e-4. */
const geluStep = 5e-4;

type Options = Parameters<typeof ForwardHarness.open>[3];

/**
 * @returns for each of the logits that `reference` computes, the relative error that is explained: by rounding, or by a
 * step of gelu's table, which the measured effect may not meet
 */
export async function explainedErrors(
  path: string,
  type: KvType,
  reference: (harness: ForwardHarness) => Promise<Float32Array[]>,
  options: Options = {},
): Promise<number[]> {
  const compute = async (model: string) => {
    const harness = await ForwardHarness.open(model, 'f32', portableAttention, options);
    try {
      return (await reference(harness)).map((row) => row.slice());
    } finally {
      harness.dispose();
    }
  };
  const rows = await compute(path);
  const changes = { copies: 4, ...(storage[type] === undefined ? {} : { deviation: storage[type] }) };
  const copies = await withPerturbed(path, compute, changes);
  const errors = rows.map((row, i) => copies.map((copy) => relativeError(copy[i] ?? new Float32Array(0), row)));
  // Of a single row the measured effect is one draw or four: what all rows say of the model counts as well.
  const overall = rms(errors.flat());
  const { architecture } = readHyperParameters(await openGguf(path));
  const least = families[architecture]?.activation === 'gelu' ? geluStep : 0;
  return errors.map((own) => Math.max(least, roundingMargin * Math.max(overall, rms(own))));
}
