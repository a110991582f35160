/**
 * A JSON state that changes step by step: time to the first token when only changed blocks are encoded, against full
 * attention over the same prompt (paper, appendix A).
 *   npx tsx bench/speed/state.ts [--model REF] [--threads N] [--runs N]
 */
import { createEngine } from '@block-attention/engine/internal/engine';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { planState } from '../../src/rag/index.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 3 });
const blocks = 300;
/** 0.5 % of them. */
const changed = [1, 2];

await using engine = await createEngine({ modelPath: options.path, threads: options.threads, device: 'cpu' });
const unit = (id: number, turn: number) => ({
  id,
  kind: id % 3 === 0 ? 'boat' : 'cart',
  place: (id * 37 + turn * 11) % 997,
});
const state = { units: Array.from({ length: blocks }, (_, id) => unit(id, 0)) };
const passages = () => planState(state, { blockCharacters: 60 });
const ask = (mode: 'block' | 'full') =>
  engine.answer({ passages: passages(), question: 'Where is boat 42?', mode, maxTokens: 1, prefixReuse: false }).result;

const first = await ask('block');
const times = { block: [] as number[], full: [] as number[] };
let [missed, tokens] = [0, 0];
for (let run = 0; run < options.runs; run++) {
  const count = changed[run % changed.length] ?? 1;
  for (let i = 0; i < count; i++) {
    const id = (run * 53 + i * 17) % blocks;
    state.units[id] = unit(id, run + 1);
  }
  const block = await ask('block');
  missed = block.blocks.filter(({ status }) => status === 'miss').length;
  if (missed !== count) throw new Error(`${missed} blocks were encoded, ${count} changed`);
  times.block.push(block.ttftMs);
  const full = await ask('full');
  times.full.push(full.ttftMs);
  tokens = full.tokens.context + full.tokens.question;
}
const [blockMs, fullMs] = [median(times.block) ?? 0, median(times.full) ?? 0];
report('state', options, [
  {
    blocks: passages().length,
    tokens,
    'first, ms': round(first.ttftMs, 0),
    'step, ms': round(blockMs, 0),
    'full, ms': round(fullMs, 0),
    'step / full': round(blockMs / fullMs, 4),
  },
]);
