/** What an adaptation remembers between runs: whose it is, its plan, and the time it has spent. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { replaceFile } from '@block-attention/engine/internal/platform';
import { z } from 'zod';

const schema = z.object({
  version: z.literal(1),
  /** Digest of all that its results depend on. */
  run: z.string(),
  spentSeconds: z.number(),
  plan: z
    .object({
      contexts: z.number(),
      steps: z.number(),
      answerSeconds: z.number(),
      trainingSeconds: z.number(),
      verifySeconds: z.number(),
      learningRate: z.number(),
      limit: z.enum(['time', 'documents', 'asked']),
    })
    .nullable(),
});
export type AdaptState = z.infer<typeof schema>;

const name = 'adapt.json';

/** @throws INVALID_ARGUMENT for a folder that holds one; CHECKPOINT_INVALID where there is none to go on with, or another's */
export async function openState(out: string, run: string, resume: boolean): Promise<AdaptState> {
  const path = join(out, name);
  const known = existsSync(path);
  if (!resume) {
    if (known || existsSync(join(out, 'checkpoint.gguf'))) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `${out} holds a run already: give --resume to continue, or another --out`,
      );
    }
    await mkdir(out, { recursive: true });
    const state: AdaptState = { version: 1, run, spentSeconds: 0, plan: null };
    await writeState(out, state);
    return state;
  }
  if (!known) throw invalid(`${path} does not exist: start without --resume`);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw invalid(`${path} cannot be read: start again with another --out`, error);
  }
  const state = schema.safeParse(value);
  if (!state.success || state.data.run !== run) {
    throw invalid(`${path} is of another model, other documents or options: give the same ones, or another --out`);
  }
  return state.data;
}

export async function writeState(out: string, state: AdaptState): Promise<void> {
  await replaceFile(join(out, name), `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o666 });
}

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('CHECKPOINT_INVALID', message, { cause });
}
