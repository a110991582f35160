/**
 * What an adapter costs while the model runs: encoding a block of 512 tokens, a final block of 50 after 2,048 tokens, and
 * decoding there, without one and with LoRA of rank 16 and 64 on every linear map. `npm run bench -- adapter`
 *
 * Random factors: they cost what trained ones do.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DecodeGraph, forwardStep, Model, Sequence } from '@block-attention/engine/internal/model';
import { writeRandomAdapter } from '../../tests/support/models/random-adapter.ts';
import {
  benchOptions,
  interleave,
  openBench,
  report,
  round,
  someBlocks,
  someTokens,
  timed,
} from '../support/harness.ts';

const options = await benchOptions({ runs: 5 });
const bench = await openBench(options);
const { backend, layout, allocator } = bench;
const [[, attention]] = bench.paths;
const folder = mkdtempSync(join(tmpdir(), 'block-attention-bench-'));
const models: [string, Model][] = [['no adapter', bench.model]];
for (const rank of [16, 64]) {
  const path = join(folder, `rank-${rank}.gguf`);
  await writeRandomAdapter(path, options.path, 1, { rank });
  models.push([`rank ${rank}`, await Model.load(options.path, backend, { adapter: { path } })]);
}
const { vocabulary } = bench.model.hyperParameters;
const [block, final] = [someTokens(vocabulary, 512, 1), someTokens(vocabulary, 50, 2)];
const context = await someBlocks(bench, attention, 4, 512);
const decoded = 16;

const encode = (model: Model) =>
  timed(async () => {
    const sequence = new Sequence(backend, layout, [], block.length);
    await forwardStep(model, attention, allocator, [{ sequence, tokens: block, logits: 'none' }]);
    sequence.dispose();
  });
const firstToken = (model: Model) =>
  timed(async () => {
    const sequence = new Sequence(backend, layout, context, final.length);
    await forwardStep(model, attention, allocator, [{ sequence, tokens: final, logits: 'last' }]);
    sequence.dispose();
  });
async function decode(model: Model): Promise<number> {
  const sequence = new Sequence(backend, layout, context, decoded + 1);
  const graph = new DecodeGraph(model, attention, [sequence]);
  const ms = await timed(async () => {
    for (let i = 0; i < decoded; i++) await graph.run(Int32Array.of(400 + i));
  });
  graph.dispose();
  sequence.dispose();
  return ms / decoded;
}

const works = { 'encode 512 tokens': encode, 'first token after 2,048': firstToken, 'one token after 2,048': decode };
const rows: Record<string, string | number>[] = [];
for (const [what, work] of Object.entries(works)) {
  const times = await interleave(
    models.map(([name, model]) => [name, () => work(model)] as const),
    options.runs,
  );
  const plain = times['no adapter'] ?? Number.NaN;
  for (const [adapter, ms] of Object.entries(times)) {
    rows.push({ what, adapter, ms: round(ms), timesPlain: round(ms / plain) });
  }
}
rmSync(folder, { recursive: true });
report('adapter', options, rows);
process.exit(0);
