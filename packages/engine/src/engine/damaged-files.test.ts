/** Files that somebody truncates in place while they are mapped: an error and another try, no dead process. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeRandomModel } from '../../../../tests/support/models/random-model.ts';
import { nativeKernelState } from '../ggml/index.ts';
import { createBlockStore } from '../store/index.ts';
import { createEngine } from './engine.ts';
import type { EngineOptions, Passage } from './types.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-'));
const model = join(folder, 'model.gguf');
const passages: Passage[] = Array.from({ length: 3 }, (_, i) => ({
  text: `The river ${i} is ${i}0 km long. `.repeat(4),
}));
const request = { passages, question: 'How long is the river?', maxTokens: 6 };

beforeAll(() => writeRandomModel(model, { family: 'llama', embedding: 256 }, 3));
afterAll(() => rmSync(folder, { recursive: true }));

async function open(directory: string, more: Partial<EngineOptions> = {}) {
  const store = await createBlockStore({ directory, onWarning: () => undefined });
  const cacheDir = join(folder, 'cache');
  const engine = await createEngine({
    mode: 'block',
    modelPath: model,
    threads: 1,
    device: 'cpu',
    cacheDir,
    store,
    ...more,
  });
  return {
    engine,
    ask: () => engine.answer(request).result,
    async [Symbol.asyncDispose]() {
      await engine.close();
      await store.close();
    },
  };
}

const blocksOf = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.kv'))
    .map((name) => join(directory, name));

describe.skipIf(nativeKernelState().kernel === undefined)('truncated in place', () => {
  test.each(['native', 'portable'] as const)(
    'a block: the request fails, the next encodes it again (%s)',
    async (attention) => {
      const directory = join(folder, `store-${attention}`);
      let text: string;
      {
        await using first = await open(directory, { attention });
        ({ text } = await first.ask());
      }
      await using second = await open(directory, { attention });
      const warm = await second.ask();
      expect(warm.text).toBe(text);
      expect(warm.blocks.map(({ tier }) => tier)).toContain('disk');
      const files = blocksOf(directory);
      const [victim = ''] = files.sort((a, b) => statSync(b).size - statSync(a).size);
      truncateSync(victim, 4096);
      await expect(second.ask()).rejects.toMatchObject({ code: 'BLOCK_DAMAGED', status: 503 });
      const again = await second.ask();
      expect(again.text).toBe(text);
      expect(again.blocks.filter(({ status }) => status === 'miss')).toHaveLength(1);
      // And the file is whole again.
      await second.engine.store.flush();
      second.engine.store.checkIntegrity();
      expect(statSync(victim).size).toBeGreaterThan(4096);
      expect((await second.ask()).blocks.every(({ status }) => status === 'hit')).toBe(true);
    },
  );

  test('the model: every request fails until it is started again', async () => {
    const copy = join(folder, 'copy.gguf');
    copyFileSync(model, copy);
    await using opened = await open(join(folder, 'store-model'), { modelPath: copy, repack: false });
    truncateSync(copy, 8192);
    for (let i = 0; i < 2; i++) {
      await expect(opened.ask()).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    }
    // What was computed meanwhile was kept nowhere.
    expect(opened.engine.store.stats().blocks).toBe(0);
  });
});
