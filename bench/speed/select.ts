/**
 * What choosing passages costs (`select:K`): the first token over ten passages of some 120 tokens, each question another
 * one, by full attention, in block mode, and with one and three passages chosen; the last two with what is the same in
 * every question kept with the passages, as servers keep it, and without, as a process of its own has it.
 *   npx tsx bench/speed/select.ts [--model REF] [--threads N] [--runs N]
 */
import { createEngine, type Engine } from '@block-attention/engine/internal/engine';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 12 });
const subjects = ['mill', 'bridge', 'harbour', 'library', 'tunnel', 'market', 'tower', 'canal', 'school', 'garden'];
const sentences = (subject: string) => [
  `The ${subject} of Ostrava was built by the brothers Havel in the spring after the great flood, on ground that had belonged to the bishop.`,
  `It was closed for two winters, since the roof had been made of green wood and let in the snow.`,
  `A board of nine citizens has looked after the ${subject} since then, and meets on the first Monday of each month.`,
  `Visitors reach it by the ferry from the north bank, which leaves every twenty minutes until nightfall.`,
  `In a letter to her sister the painter Milada Krupa calls the ${subject} the only place of the town where nobody asks one to sit down.`,
];
const passages = subjects.map((subject) => ({ title: `The ${subject}`, text: sentences(subject).join(' ') }));
let asked = 0;
/** Another one each time: a question that was asked before costs less. */
const question = () => `Who looks after the ${subjects[asked % subjects.length]} since ${1900 + asked++}?`;

const shared = { modelPath: options.path, threads: options.threads, device: 'cpu' } as const;
await using keeping = await createEngine({ ...shared, prefixBytes: 256 * 2 ** 20 });
await using bare = await createEngine(shared);

const first = (engine: Engine, policy: string | undefined) =>
  engine.answer({
    passages,
    question: question(),
    maxTokens: 1,
    ...(policy === undefined ? { mode: 'full' as const } : { mode: 'block' as const, policy }),
  }).result;

const ways: readonly (readonly [name: string, engine: Engine, policy: string | undefined])[] = [
  ['full attention', bare, undefined],
  ['block', bare, 'anchor:header'],
  ['select:1', bare, 'anchor:header+select:1'],
  ['select:3', bare, 'anchor:header+select:3'],
  ['select:1, words kept', keeping, 'anchor:header+select:1'],
  ['select:3, words kept', keeping, 'anchor:header+select:3'],
];
const times = new Map(ways.map(([name]) => [name, [] as number[]]));
const choosing = new Map(ways.map(([name]) => [name, [] as number[]]));
let tokens = { context: 0, question: 0 };
// The first round encodes, and is not counted.
for (let run = -1; run < options.runs; run++) {
  for (const [name, engine, policy] of ways) {
    const result = await first(engine, policy);
    if (run < 0) continue;
    tokens = result.tokens;
    times.get(name)?.push(result.ttftMs);
    choosing.get(name)?.push(result.selection?.ms ?? 0);
  }
}
const full = median(times.get('full attention') ?? []) ?? 0;
report(
  'select',
  options,
  ways.map(([name]) => {
    const ms = median(times.get(name) ?? []) ?? 0;
    return {
      way: name,
      context: tokens.context,
      question: tokens.question,
      'first token, ms': round(ms, 0),
      'of it choosing, ms': round(median(choosing.get(name) ?? []) ?? 0, 0),
      'of full attention': round(ms / full, 3),
    };
  }),
);
