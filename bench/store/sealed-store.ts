/**
 * What encryption at rest costs: the first answer after a restart from a plain folder and from an encrypted one, 16
 * blocks of 512 tokens in the page cache. Encrypted blocks are decrypted into memory instead of being mapped.
 * `npm run bench -- sealed-store`
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '@block-attention/engine/internal/engine';
import { createBlockStore } from '@block-attention/engine/internal/store';
import { benchOptions, interleave, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 5 });
const root = await mkdtemp(join(tmpdir(), 'block-attention-bench-'));
const storeKey = randomBytes(32);
const words = ['river', 'stone', 'light', 'garden', 'letter', 'window', 'winter', 'morning', 'silver', 'road'];
const passages = Array.from({ length: 16 }, (_, i) => ({
  text: `${i} ${Array.from({ length: 480 }, (_, w) => words[(i * 31 + w * 7 + ((w * w) % 11)) % words.length]).join(' ')}`,
}));
const request = { passages, question: 'Which of these words was named first?', maxTokens: 1, mode: 'block' } as const;

const filled = new Set<string>();
let bytes = 0;

/** TTFT of the first answer of a new engine over the folder, in ms; encodes when the folder is new. */
async function firstAnswer(name: string): Promise<number> {
  const known = filled.has(name);
  const directory = join(root, name);
  const store = await createBlockStore({ directory, ...(name === 'encrypted' && { storeKey }) });
  const engine = await createEngine({ mode: 'block', modelPath: options.path, threads: options.threads, store });
  if (!known) bytes = (await engine.encode(passages)).bytes;
  filled.add(name);
  // The model's own pages are warm: what is compared is where the blocks come from.
  await engine.answer({ passages: [], question: request.question, maxTokens: 1, mode: 'full' }).result;
  const { ttftMs, blocks } = await engine.answer(request).result;
  await engine.close();
  await store.close();
  if (known && blocks.some(({ tier }) => tier !== 'disk')) throw new Error('blocks did not come from the folder');
  return ttftMs;
}

try {
  const times = await interleave(
    [
      ['plain', () => firstAnswer('plain')],
      ['encrypted', () => firstAnswer('encrypted')],
    ],
    options.runs,
  );
  const plain = times.plain ?? Number.NaN;
  const rows = Object.entries(times).map(([folder, ms]) => ({
    folder,
    ttftMs: round(ms, 0),
    ratio: round(ms / plain),
  }));
  console.error(`${round(bytes / 2 ** 20, 0)} MiB of blocks`);
  report('sealed-store', options, rows);
} finally {
  await rm(root, { recursive: true });
}
process.exit(0);
