/**
 * What an anchor costs: passages encoded behind nothing, behind the prompt's first block, behind 200 tokens, and behind
 * these and all of the passage before, whose states are thrown away; and the first token over them, which reads none of it.
 * `npm run bench -- anchor [--model REF] [--threads N] [--runs N]`
 */
import { createEngine } from '@block-attention/engine/internal/engine';
import { AsyncCleanup } from '../../packages/engine/src/cleanup.ts';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 7 });
const policies = ['plain', 'anchor:header', 'anchor:200', 'anchor:200+neighbour:1024'] as const;
/** Sentences of a passage: some 130 and 510 tokens. */
const lengths = [4, 16] as const;
const passagesOf = (sentences: number, round: number) =>
  Array.from({ length: 12 }, (_, p) => ({
    title: `Volume ${round}, page ${p}`,
    text: Array.from(
      { length: sentences },
      (_, s) =>
        `In entry ${round * 1000 + p * 20 + s} the clerk notes that the mill on the river was sold for ${300 + 7 * s + p} crowns, in the autumn, to a baker.`,
    ).join(' '),
  })).map((passage, p, all) => ({ ...passage, previous: all[p - 1] }));

const rows: Record<string, string | number>[] = [];
for (const sentences of lengths) {
  await using cleanup = new AsyncCleanup();
  const engines = await Promise.all(
    policies.map(async (policy) => {
      const engine = await createEngine({
        modelPath: options.path,
        threads: options.threads,
        device: 'cpu',
        mode: 'block',
        policy,
      });
      cleanup.defer(async () => {
        await engine[Symbol.asyncDispose]();
      });
      return engine;
    }),
  );
  const rates = policies.map(() => [] as number[]);
  const firsts = policies.map(() => [] as number[]);
  let tokens = 0;
  // The first round warms up, and is not counted.
  for (let run = -1; run < options.runs; run++) {
    const passages = passagesOf(sentences, run + 2);
    for (const [i, engine] of engines.entries()) {
      const encoded = await engine.encode(passages);
      tokens = encoded.encodedTokens / encoded.encoded;
      const ask = () =>
        engine.answer({ passages, question: `What was sold in entry ${run + 2}?`, maxTokens: 1 }).result;
      await ask();
      const { ttftMs } = await ask();
      if (run < 0) continue;
      rates[i]?.push((encoded.encodedTokens * 1000) / encoded.ms);
      firsts[i]?.push(ttftMs);
    }
  }
  const [plainRate, plainFirst] = [rates, firsts].map(([first]) => median(first ?? []) ?? Number.NaN);
  for (const [i, policy] of policies.entries()) {
    const [rate, first] = [rates, firsts].map((all) => median(all[i] ?? []) ?? Number.NaN);
    rows.push({
      policy,
      'tokens a passage': round(tokens, 0),
      'encoded, tokens/s': round(rate ?? 0, 0),
      'of plain': round((rate ?? 0) / (plainRate ?? 1), 3),
      'first token, ms': round(first ?? 0),
      'times plain': round((first ?? 0) / (plainFirst ?? 1), 3),
    });
  }
}
report('anchor', options, rows);
process.exit(0);
