/** A peer in a process of its own, so that its copy of ggml and ours do not meet. */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface TokenPeer extends Disposable {
  /** Reads the tokens and keeps the state under a name. */
  keep(tokens: Int32Array, name: string): Promise<void>;
  /** Milliseconds from a kept state, or from nothing, over the tokens to the first one generated. */
  first(tokens: Int32Array, name?: string): Promise<number>;
}

interface Reply {
  readonly id: number;
  readonly ms?: number;
  readonly error?: string;
}

/** Whether the peer is there; if not, says how to install it. */
export function nodeLlamaCppInstalled(): boolean {
  const installed = existsSync(join(import.meta.dirname, 'node_modules', 'node-llama-cpp'));
  if (!installed)
    console.error('node-llama-cpp is skipped: npm install --prefix bench/peers --omit=optional --ignore-scripts');
  return installed;
}

/** @returns undefined where node-llama-cpp is not installed */
export async function openNodeLlamaCpp(
  model: string,
  threads: number,
  contextTokens: number,
): Promise<TokenPeer | undefined> {
  if (!nodeLlamaCppInstalled()) return undefined;
  const script = join(import.meta.dirname, 'node-llama-cpp.mjs');
  const child = fork(script, [model, String(threads), String(contextTokens)]);
  const waiting = new Map<number, (reply: Reply) => void>();
  const reply = (id: number) => new Promise<Reply>((resolve) => waiting.set(id, resolve));
  child.on('message', (message) => waiting.get((message as Reply).id)?.(message as Reply));
  child.once('exit', (code) => {
    for (const resolve of waiting.values()) resolve({ id: 0, error: `node-llama-cpp ended with ${code}` });
  });
  let next = 1;
  const ask = async (request: object) => {
    const id = next++;
    const answered = reply(id);
    child.send({ id, ...request });
    const { ms, error } = await answered;
    waiting.delete(id);
    if (ms === undefined) throw new Error(error);
    return ms;
  };
  const started = await reply(0);
  if (started.error !== undefined) throw new Error(started.error);
  return {
    keep: async (tokens, name) => void (await ask({ task: 'keep', tokens: [...tokens], name })),
    first: (tokens, name) => ask({ task: 'first', tokens: [...tokens], name }),
    [Symbol.dispose]: () => void child.kill(),
  };
}
