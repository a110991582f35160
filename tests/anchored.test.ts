/**
 * Blocks encoded behind an anchor against the oracle: one dense forward in which every passage has a copy of the anchor
 * before it that it alone sees, and the final block sees the passages and no anchor. Any family, both attention paths.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KvType } from '@block-attention/engine/internal/model';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choosesExperts, usesGelu, variantsOf } from './support/models/model-variants.ts';
import { type RandomModelSpec, writeRandomModel } from './support/models/random-model.ts';
import { anchoredLogits } from './support/oracle/anchored-oracle.ts';
import { attentionPaths, gatheredPath } from './support/oracle/attention-paths.ts';
import { type EncodedBlock, ForwardHarness, randomTokens, relativeError } from './support/oracle/forward-harness.ts';
import { createPrng } from './support/prng.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-anchored-'));
afterAll(() => rmSync(folder, { recursive: true }));

const size = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 30 }), fc.constantFrom(31, 32, 33));
const plans = fc.record({
  anchor: size,
  header: size,
  lengths: fc.array(size, { minLength: 1, maxLength: 4 }),
  final: fc.integer({ min: 1, max: 12 }),
  seed: fc.nat(1e6),
});

const digest = ({ memory }: EncodedBlock) => createHash('sha256').update(memory.bytes).digest('hex');

describe.each([...attentionPaths, gatheredPath])('$name attention', ({ name: pathName, attention }) => {
  describe.each(variantsOf(pathName))('%s', (name, spec: RandomModelSpec) => {
    const path = join(folder, `${name}.gguf`);
    beforeAll(() => writeRandomModel(path, spec, 5));
    // ggml looks gelu up in a table of halves: the last bit of its input moves its output by 5e-4.
    const bound = usesGelu(spec) ? 2e-3 : 1e-4;

    // Plans in which no two experts are as good to the last bits.
    const drawn = choosesExperts(spec) ? { seed: 1 } : {};

    it('equals the oracle', async () => {
      const harness = await ForwardHarness.open(path, 'f32', attention);
      try {
        await fc.assert(
          fc.asyncProperty(plans, async (plan) => {
            const prng = createPrng(plan.seed);
            const tokens = (count: number) => randomTokens(prng, harness.vocabulary, count);
            const [anchor, header, final] = [tokens(plan.anchor), tokens(plan.header), tokens(plan.final)];
            const passages = plan.lengths.map(tokens);
            const blocks = [...(await harness.encode([header])), ...(await harness.encode(passages, anchor))];
            const logits = await harness.append(await harness.sequence(blocks, final.length), final);
            const expected = await anchoredLogits(harness, [header, ...passages], anchor, final);
            expect(relativeError(logits, expected)).toBeLessThanOrEqual(bound);
            harness.clear();
          }),
          { numRuns: 10, ...drawn },
        );
      } finally {
        harness.dispose();
      }
    });
  });

  describe('a block', () => {
    const path = join(folder, 'blocks.gguf');
    beforeAll(() => writeRandomModel(path, { family: 'llama', headDim: 32 }, 9));
    const types: KvType[] = ['f32', 'f16', 'q8_0'];

    it.each(types)('has the same bytes alone and in a batch, whatever its neighbours, with %s states', async (type) => {
      const harness = await ForwardHarness.open(path, type, attention);
      const prng = createPrng(2);
      const anchor = randomTokens(prng, harness.vocabulary, 45);
      const passages = [5, 33, 64, 1].map((n) => randomTokens(prng, harness.vocabulary, n));
      const together = (await harness.encode(passages, anchor)).map(digest);
      const reversed = (await harness.encode(passages.toReversed(), anchor)).map(digest).reverse();
      expect(reversed).toEqual(together);
      for (const [i, passage] of passages.entries()) {
        const alone = (await harness.encode([passage], anchor)).map(digest);
        expect(alone).toEqual([together[i]]);
        const [plain, other] = [await harness.encode([passage]), await harness.encode([passage], anchor.subarray(1))];
        expect(plain.map(digest)).not.toEqual(alone);
        expect(other.map(digest)).not.toEqual(alone);
      }
      harness.dispose();
    });
  });
});
