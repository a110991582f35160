/**
 * node-llama-cpp in a process of its own, as a user would write it, for the benchmarks: reads tokens and
 * generates, from nothing or from a kept state.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { answerTasks } from './answer-tasks.mjs';

const [modelPath, threads, contextSize] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'block-attention-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true }));

const llama = await getLlama({
  gpu: false,
  build: 'never',
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: Number(contextSize),
  batchSize: 512,
  threads: Number(threads),
  flashAttention: true,
});
const sequence = context.getSequence();

answerTasks({
  /** Keeps the state after these tokens. */
  async keep({ tokens, name }) {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens);
    await sequence.saveStateToFile(join(folder, name));
  },
  /** From a kept state, or from nothing, over the tokens to the `count`th one generated. */
  async generate({ tokens, name, count }) {
    if (name === undefined) await sequence.clearHistory();
    else await sequence.loadStateFromFile(join(folder, name), { acceptRisk: true });
    let left = count;
    for await (const _ of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
      left -= 1;
      if (left === 0) break;
    }
  },
});
