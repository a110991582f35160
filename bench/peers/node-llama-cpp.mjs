/**
 * node-llama-cpp in a process of its own, as a user would write it, for bench/ttft.ts: reads tokens to the first one
 * generated, from nothing or from a kept state. Talks by IPC: { id, task, … } in, { id, ms } or { id, error } out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const [modelPath, threads, contextSize] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'block-attention-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
process.once('disconnect', () => process.exit(0));

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

const tasks = {
  /** Keeps the state after these tokens. */
  async keep({ tokens, name }) {
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens);
    await sequence.saveStateToFile(join(folder, name));
  },
  /** From a kept state, or from nothing, to the first token. */
  async first({ tokens, name }) {
    if (name === undefined) await sequence.clearHistory();
    else await sequence.loadStateFromFile(join(folder, name), { acceptRisk: true });
    for await (const _ of sequence.evaluate(tokens, { temperature: 0 })) break;
  },
};

process.on('message', async ({ id, task, ...rest }) => {
  try {
    const started = performance.now();
    await tasks[task](rest);
    process.send({ id, ms: performance.now() - started });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.send({ id: 0, ms: 0 });
