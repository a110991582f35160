/**
 * Decoding and reading a prompt beside busy loops: the default, which chooses its threads, against every fixed number of
 * them up to the number of cores. `npm run bench -- contention [--loops 0,1,2] [--tokens 48] [--context 256]`
 *
 * All take turns in one process, so that a machine that others use as well favours none. The loops are processes of
 * their own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { median } from '../../packages/engine/src/scoring/median.ts';
import { resolveModel } from '../../src/hub/index.ts';
import { createEngine, type Engine } from '../../src/index.ts';
import { printResult, round } from '../support/harness.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'smollm2-135m' },
    loops: { type: 'string', default: '0,1,2' },
    tokens: { type: 'string', default: '48' },
    context: { type: 'string', default: '256' },
    runs: { type: 'string', default: '5' },
  },
});
const { path } = await resolveModel(values.model);
const machine = describeMachine();
const runs = Number(values.runs);
const maxTokens = Number(values.tokens);
const words = Array.from({ length: Number(values.context) }, (_, i) => `word${i % 7}`).join(' ');

const settings = ['auto', ...Array.from({ length: machine.cores }, (_, i) => i + 1)] as const;
const engines: { readonly threads: number | 'auto'; readonly engine: Engine }[] = [];
for (const threads of settings) {
  const onThreads = ({ message }: { message: string }) => console.error(`${threads}: ${message}`);
  engines.push({
    threads,
    engine: await createEngine({ modelPath: path, threads, device: 'cpu', mode: 'full', onThreads }),
  });
}

/** Tokens a second: of the answer behind its first token, and of the prompt. */
async function measure(engine: Engine) {
  const request = { passages: [], question: `Repeat these words for ever: ${words}`, maxTokens };
  const { timings, tokens } = await engine.answer(request).result;
  return {
    decode: timings.decodeTokensPerSecond,
    prompt: (tokens.question + tokens.context) / (timings.prefillMs / 1000),
  };
}

const rows: Record<string, string | number>[] = [];
for (const loops of values.loops.split(',').map(Number)) {
  const busy: ChildProcess[] = [];
  try {
    for (let i = 0; i < loops; i++) busy.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
    const results = new Map(settings.map((threads) => [threads, { decode: [] as number[], prompt: [] as number[] }]));
    // The first round is for the governor to notice; and for what is cold.
    for (let i = -1; i < runs; i++) {
      for (const { threads, engine } of engines) {
        const { decode, prompt } = await measure(engine);
        if (i < 0) continue;
        results.get(threads)?.decode.push(decode);
        results.get(threads)?.prompt.push(prompt);
      }
    }
    const of = (threads: number | 'auto', what: 'decode' | 'prompt') => median(results.get(threads)?.[what] ?? []) ?? 0;
    for (const what of ['decode', 'prompt'] as const) {
      const fixed = settings.filter((threads) => threads !== 'auto').map((threads) => of(threads, what));
      rows.push({
        'busy loops': loops,
        what,
        auto: round(of('auto', what), 1),
        ...Object.fromEntries(fixed.map((rate, i) => [`${i + 1} threads`, round(rate, 1)])),
        'auto / best': round(of('auto', what) / Math.max(...fixed)),
      });
    }
  } finally {
    for (const child of busy) child.kill('SIGKILL');
  }
}
for (const { engine } of engines) await engine.close();
console.log(
  `contention · tokens a second, ${machine.cpu}, ${machine.cores} cores, Node ${machine.node} · ${path.split('/').at(-1)}`,
);
console.table(rows);
printResult({ bench: 'contention', machine, runs, rows });
