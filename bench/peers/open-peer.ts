/** A peer in a process of its own, so that its copy of ggml and ours do not meet. */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Its process ends with this one. */
export interface TokenPeer {
  readonly name: string;
  /** Reads the tokens and keeps the state under a name. */
  keep(tokens: Int32Array, name: string): Promise<void>;
  /** Milliseconds over the tokens, from a kept state or from nothing, to the `count`th one generated. */
  generate(tokens: Int32Array, options?: { readonly from?: string; readonly count?: number }): Promise<number>;
}

interface Reply {
  readonly id: number;
  readonly ms?: number;
  readonly error?: string;
}

const here = import.meta.dirname;

/** Whether the peer is there; if not, says how to install it. */
export function nodeLlamaCppInstalled(): boolean {
  return installed('node-llama-cpp', here, '--omit=optional --ignore-scripts');
}

function installed(name: string, folder: string, flags: string): boolean {
  if (existsSync(join(folder, 'node_modules', name))) return true;
  const prefix = folder.slice(join(here, '..', '..').length + 1);
  console.error(`${name} is skipped: npm install --prefix ${prefix} ${flags}`);
  return false;
}

/** @returns undefined where node-llama-cpp is not installed */
export async function openNodeLlamaCpp(
  model: string,
  threads: number,
  contextTokens: number,
): Promise<TokenPeer | undefined> {
  if (!nodeLlamaCppInstalled()) return undefined;
  return await openPeer('node-llama-cpp', 'node-llama-cpp.mjs', [model, `${threads}`, `${contextTokens}`]);
}

/** Of a benchmark's command line. */
export const onnxOptions = {
  /** Folder of the same model in ONNX, as transformers.js wants it (transformers-js/convert.py), and which of its files. */
  onnx: { type: 'string' },
  'onnx-dtype': { type: 'string', default: 'q4' },
} as const;

/** @returns undefined where no model in ONNX was given, or transformers.js is not installed */
export async function openTransformersJs(
  { onnx, 'onnx-dtype': dtype }: { readonly onnx?: string | undefined; readonly 'onnx-dtype': string },
  threads: number,
): Promise<TokenPeer | undefined> {
  if (onnx === undefined) return undefined;
  const own = join(here, 'transformers-js');
  if (!installed('@huggingface/transformers', own, '--ignore-scripts')) return undefined;
  return await openPeer('transformers.js', 'transformers-js/peer.mjs', [resolve(onnx), dtype, `${threads}`]);
}

async function openPeer(name: string, script: string, args: readonly string[]): Promise<TokenPeer> {
  const child = fork(join(here, script), args);
  const waiting = new Map<number, (reply: Reply) => void>();
  const reply = (id: number) => new Promise<Reply>((resolve) => waiting.set(id, resolve));
  child.on('message', (message) => waiting.get((message as Reply).id)?.(message as Reply));
  child.once('exit', (code) => {
    for (const resolve of waiting.values()) resolve({ id: 0, error: `${name} ended with ${code}` });
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
    name,
    keep: async (tokens, name) => void (await ask({ task: 'keep', tokens: [...tokens], name })),
    generate: (tokens, { from, count = 1 } = {}) => ask({ task: 'generate', tokens: [...tokens], name: from, count }),
  };
}
