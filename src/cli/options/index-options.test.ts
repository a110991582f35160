import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';
import { writeRandomEncoder } from '../../../tests/support/models/random-encoder.ts';
import { defaultEmbedder, modelAliases } from '../../hub/aliases.ts';
import { entryFolder, modelsFolder } from '../../hub/cache-folder.ts';
import { parseModelReference } from '../../hub/reference.ts';

const searched = z.object({ hits: z.array(z.object({ ranks: z.object({}).loose() })) });
let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open(2048);
  mkdirSync(workspace.path('docs'));
  writeFileSync(workspace.path('docs/keys.md'), '# Keys\n\nthe key was opened by the mayor.\n');
});
afterAll(() => workspace[Symbol.dispose]());

/** Puts a small encoder where the default embedding model is once it is pulled. */
async function pulled(): Promise<void> {
  const source = parseModelReference(modelAliases[defaultEmbedder]?.sources[0] ?? '');
  if (source.kind === 'alias' || source.kind === 'path') throw new Error('the alias has no source');
  const folder = entryFolder(modelsFolder({ env: workspace.env }), source);
  mkdirSync(folder, { recursive: true });
  const file = 'encoder.gguf';
  await writeRandomEncoder(join(folder, file), 3);
  const bytes = readFileSync(join(folder, file));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const record = { format: 1, reference: 'test', file, bytes: bytes.length, sha256, verifiedBy: 'none' };
  writeFileSync(join(folder, 'model.json'), JSON.stringify({ ...record, fetchedAt: new Date(0).toISOString() }));
}

it('gives new indexes the embeddings of a model that is on the machine, and others what they were made with', async () => {
  const index = (name: string, ...more: string[]) =>
    workspace.run([
      'index',
      workspace.path('docs'),
      '--index',
      workspace.path(name),
      '--model',
      workspace.model,
      '--no-encode',
      '--threads',
      '1',
      ...more,
    ]);
  const ranks = async (name: string, ...more: string[]) => {
    const search = ['search', 'the key', '--index', workspace.path(name), '--json', ...more];
    const { hits } = searched.parse((await workspace.run(search)).json());
    return Object.keys(hits[0]?.ranks ?? {});
  };
  expect((await index('before')).code).toBe(0);
  await pulled();
  expect((await index('after')).code).toBe(0);
  expect((await index('none', '--embed', 'none')).code).toBe(0);
  expect((await index('before')).code).toBe(0);
  expect(await ranks('before')).toEqual(['text']);
  expect(await ranks('after')).toEqual(['text', 'vector']);
  expect(await ranks('after', '--by', 'text')).toEqual(['text']);
  expect(await ranks('none')).toEqual(['text']);
});

it('puts what is found in the order of a reranker, for searching and for asking', async () => {
  const [reranker, encoder] = ['reranker.gguf', 'encoder.gguf'].map((name) => workspace.path(name));
  await writeRandomEncoder(reranker ?? '', 7, 4);
  await writeRandomEncoder(encoder ?? '', 7);
  writeFileSync(workspace.path('docs/harbour.md'), '# Harbour\n\nthe keys of the harbour and the bridge.\n');
  const shared = ['--index', workspace.path('ranked'), '--model', workspace.model, '--threads', '1'];
  expect((await workspace.run(['index', workspace.path('docs'), ...shared, '--no-encode'])).code).toBe(0);
  const ranked = z.object({ hits: z.array(z.object({ rerankScore: z.number() })).min(2) });
  const search = (model = '') =>
    workspace.run(['search', 'the keys', '--index', workspace.path('ranked'), '--json', '--rerank', model]);
  const scores = ranked.parse((await search(reranker)).json()).hits.map(({ rerankScore }) => rerankScore);
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
  const ask = await workspace.run([
    'ask',
    'the keys',
    ...shared,
    '--rerank',
    reranker ?? '',
    '--max-tokens',
    '2',
    '--json',
  ]);
  expect(ranked.parse(ask.json()).hits.map(({ rerankScore }) => rerankScore)).toEqual(scores);
  const refused = await search(encoder);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('has no head that ranks');
});
