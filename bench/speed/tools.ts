/**
 * An agent's tools: time to the first token when one of 31 tool schemas is new, with a block per schema and by full
 * attention. Schemas are read as they stand in a prompt, as JSON; what a family's template writes around them is left out,
 * so that any model will do.
 *   npx tsx bench/speed/tools.ts [--model REF] [--threads N] [--runs N]
 */
import { createEngine } from '@block-attention/engine/internal/engine';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { benchOptions, report, round } from '../support/harness.ts';

const options = await benchOptions({ runs: 3 });
const known = 30;

await using engine = await createEngine({ modelPath: options.path, threads: options.threads, device: 'cpu' });
const things = ['invoice', 'calendar entry', 'ticket', 'customer', 'shipment', 'repository'];
const verbs = ['find', 'create', 'update', 'close', 'list', 'assign'];

/** As long as those of common agents: a description and five parameters. */
function schema(number: number) {
  const [verb, thing] = [verbs[number % 6] ?? '', things[Math.floor(number / 6) % 6] ?? ''];
  const name = `${verb}_${thing.replace(' ', '_')}_${number}`;
  const text = (description: string) => ({ type: 'string', description });
  const properties = {
    id: text(`Identifier of the ${thing}, such as ${number}-A`),
    title: text(`What the ${thing} is called`),
    status: { enum: ['open', 'waiting', 'closed'], description: `Only a ${thing} in this state` },
    since: text('Date as year, month and day'),
    limit: { type: 'integer', minimum: 1, maximum: 100 + number },
  };
  const parameters = { type: 'object', properties, required: ['id'] };
  const description = `Use this to ${verb} a ${thing}. It answers with the ${thing} as it is afterwards, or with the reason why it could not.`;
  return { id: name, text: JSON.stringify({ type: 'function', function: { name, description, parameters } }) };
}

const tools = Array.from({ length: known }, (_, i) => schema(i));
const question = 'Close the ticket 17-A and tell the customer.';
const ask = (passages: typeof tools, mode: 'block' | 'full', prefixReuse = false) =>
  engine.answer({ passages, question, mode, maxTokens: 1, prefixReuse }).result;

await ask(tools, 'block');
const times = { block: [] as number[], full: [] as number[] };
let tokens = 0;
for (let run = 0; run < options.runs; run++) {
  // In front of the others, where a kept prefix ends at once.
  const more = [schema(known + run), ...tools];
  const block = await ask(more, 'block');
  const missed = block.blocks.filter(({ status }) => status === 'miss').length;
  if (missed !== 1) throw new Error(`${missed} blocks were encoded, one tool is new`);
  times.block.push(block.ttftMs);
  const full = await ask(more, 'full');
  times.full.push(full.ttftMs);
  tokens = full.tokens.context + full.tokens.question;
}
const [blockMs, fullMs] = [median(times.block) ?? 0, median(times.full) ?? 0];
report('tools', options, [
  {
    tools: known + 1,
    tokens,
    'one tool new, ms': round(blockMs, 0),
    'full, ms': round(fullMs, 0),
    'block / full': round(blockMs / fullMs, 4),
  },
]);
