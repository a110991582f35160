/** Whether a device computes what the CPU does: the first thing to know of one, on a model too small to take time. */
import { createEngine, type EngineOptions } from '@block-attention/engine/internal/engine';
import { type Device, openTokenizer } from '@block-attention/engine/internal/ggml';
import { exactPrompt } from '../../packages/engine/src/eval/ttft/ttft-prompt.ts';

export interface Agreement {
  readonly kvType: string;
  readonly mode: 'block' | 'full';
  readonly policy: string;
  readonly attention: string;
  /** Distance of the first token's logits from those of the CPU's portable path with f32 states, relative. */
  readonly relativeError: number;
}

const cases = [
  { kvType: 'f16', mode: 'full', policy: 'plain' },
  { kvType: 'f16', mode: 'block', policy: 'plain' },
  { kvType: 'f16', mode: 'block', policy: 'anchor:header+head:4+hide:2' },
  { kvType: 'q8_0', mode: 'block', policy: 'plain' },
] as const;

/** @param path of a small model @param attention as of the engine */
export async function agreement(
  path: string,
  device: Device,
  attention: EngineOptions['attention'],
  cacheDir: string,
): Promise<Agreement[]> {
  const tokenizer = await openTokenizer(path);
  const prompt = exactPrompt({ tokens: 1500, questionTokens: 50, blockTokens: 128, tokenizer });
  tokenizer.dispose();
  const options = { modelPath: path, template: 'plain', linear: 'ggml', contextTokens: 2048, cacheDir } as const;
  const logitsBy = async (more: Partial<EngineOptions>, mode: 'block' | 'full', policy: string) => {
    await using engine = await createEngine({ ...options, ...more });
    let logits = new Float32Array(0);
    const { system, passages, question } = prompt;
    const onPromptLogits = (all: Float32Array) => {
      logits = all.slice();
    };
    const modes = mode === 'block' ? ({ mode, policy } as const) : ({ mode } as const);
    await engine.answer({ system, passages, question, maxTokens: 1, ...modes, onPromptLogits }).result;
    return { logits, attention: engine.attention };
  };
  const found: Agreement[] = [];
  for (const { kvType, mode, policy } of cases) {
    const right = await logitsBy({ device: 'cpu', kvType: 'f32', attention: 'portable' }, mode, policy);
    const own = await logitsBy({ device, kvType, attention }, mode, policy);
    found.push({ kvType, mode, policy, attention: own.attention, relativeError: distance(own.logits, right.logits) });
  }
  return found;
}

function distance(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let norm = 0;
  b.forEach((value, i) => {
    difference += ((a[i] ?? Number.NaN) - value) ** 2;
    norm += value ** 2;
  });
  return Math.sqrt(difference / norm);
}
