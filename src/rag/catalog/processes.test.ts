import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Corpus } from '../testing/corpus.ts';
import type { DocumentIndex } from './document-index.ts';

const script = fileURLToPath(new URL('../testing/index-once.ts', import.meta.url));
const page = (i: number) =>
  `# Page ${i}\n\nThe passage of page ${i}.\n\n## Answer\n\nThe answer of page ${i} is ${i * i}.\n`;

let corpus: Corpus;
beforeAll(async () => {
  corpus = await Corpus.make();
  for (let i = 0; i < 120; i++) corpus.put(`part${i % 7}/page${i}.md`, page(i));
});
afterAll(() => corpus[Symbol.dispose]());

function start(): ChildProcess {
  const argv = ['--import', 'tsx', script, corpus.index, corpus.docs, corpus.model];
  return spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function contents(index: DocumentIndex): Promise<string[]> {
  const found: string[] = [];
  for await (const { path, title, text } of index.chunks()) found.push(`${path} ${title} ${text}`);
  return found.sort();
}

describe('several processes', () => {
  it('write to one index in turn, and lose nothing', async () => {
    const children = [start(), start()];
    const codes = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(codes).toEqual([
      [0, null],
      [0, null],
    ]);
    await using index = await corpus.openIndex({ create: false });
    expect(await contents(index)).toHaveLength(240);
  });

  it('open an index while another one makes its tables', async () => {
    const other = `${corpus.index}-other`;
    await (await corpus.openIndex({ directory: other })).close();
    const half = `${corpus.index}-half`;
    mkdirSync(join(half, 'tables', 'blocks.lance'), { recursive: true });
    const opening = corpus.openIndex({ directory: half });
    await new Promise((resolve) => setTimeout(resolve, 300));
    cpSync(join(other, 'tables', 'blocks.lance'), join(half, 'tables', 'blocks.lance'), { recursive: true });
    await using index = await opening;
    expect(await contents(index)).toEqual([]);
  });

  it('may be killed at any moment: the next run finds what is left to do', async () => {
    for (const delayMs of [20, 200]) {
      // Each round changes files, so that each has something to write.
      for (let i = 0; i < 120; i += 3) corpus.put(`part${i % 7}/page${i}.md`, page(i + 1000 * (delayMs + 1)));
      const child = start();
      if (child.stdout === null) throw new Error('no output');
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    using tokenizer = await openTokenCounter(corpus.model);
    await using index = await corpus.openIndex();
    await index.update(corpus.docs, { tokenizer });
    await using fresh = await corpus.openIndex({ directory: `${corpus.index}-fresh` });
    await fresh.update(corpus.docs, { tokenizer });
    expect(await contents(index)).toEqual(await contents(fresh));
    const [hit] = await index.search('answer of page 119');
    expect(hit?.chunk.path).toBe('part0/page119.md');
  });
});
