/** What an answer needs and another thread can read while this one loads modules. Never fails: the engine will. */
import type { TokenizerAhead } from '@block-attention/engine/internal/engine';
import { defaultModel, resolveModel } from '../../hub/index.ts';
import { loadTokenizerAhead } from '../lazy.ts';
import type { ModelOptions } from '../options/model-options.ts';
import type { CliIo } from '../terminal/io.ts';

/** Begins to read the vocabulary of a model that is on this machine. To be disposed when the engine is closed. */
export async function readAhead(
  { model, device }: Pick<ModelOptions, 'model' | 'device'>,
  io: CliIo,
): Promise<TokenizerAhead | undefined> {
  try {
    const { path } = await resolveModel(model ?? defaultModel(io.env), {
      env: { ...io.env, BLOCK_ATTENTION_OFFLINE: '1' },
    });
    const { TokenizerAhead } = await loadTokenizerAhead();
    return new TokenizerAhead(path, device);
  } catch {
    return undefined;
  }
}
