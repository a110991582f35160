/**
 * One job on one engine: exactly the blocks that the shared store lacks are encoded, and are there when it ends.
 * Knows no queue.
 */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine, KeyOptions, Passage } from '@block-attention/engine/internal/engine';
import type { BlockKey } from '@block-attention/engine/internal/store';
import { type EncodeJobResult, jobPolicy, jobSchema, readPassage } from './job.ts';

/** Passages that no attempt can encode. `partial` is what became of the others. */
export class PoisonError extends Error {
  override readonly name = 'PoisonError';
}

/**
 * @param data as it came from the queue
 * @throws PoisonError when a passage cannot be encoded, after the others are; whatever else may work another time
 */
export async function encodeJob(
  engine: Engine,
  data: unknown,
  { signal, worker }: { readonly signal?: AbortSignal | undefined; readonly worker: string },
): Promise<EncodeJobResult> {
  const started = performance.now();
  const frame = jobSchema.safeParse(data);
  if (!frame.success)
    throw new PoisonError('the job is malformed: it needs passages, a list of {id?, title?, text, previous?}');
  const { tenant } = frame.data;
  const options: KeyOptions = { tenant, policy: policyOf(frame.data.policy) };
  const problems: string[] = [];
  const blocks = new Map<BlockKey, Passage>();
  for (const [index, value] of frame.data.passages.entries()) {
    const checked = check(engine, value, options);
    if (typeof checked === 'string') problems.push(`passage ${index + 1}${nameOf(value)}: ${checked}`);
    else blocks.set(checked.key, checked.passage);
  }
  const missing = await missingOf(engine, blocks);
  let encoded = 0;
  let tokens = 0;
  let bytes = 0;
  let late = 0;
  if (missing.length > 0) {
    const onBlock = (_: BlockKey, status: 'hit' | 'miss') => {
      if (status === 'hit') late += 1;
    };
    const summary = await engine.encode(missing, { ...options, signal, onBlock });
    encoded = summary.encoded;
    tokens = summary.encodedTokens;
    bytes = summary.bytes;
    const lost = await missingOf(engine, blocks);
    if (lost.length > 0) {
      throw new BlockAttentionError(
        'STORE_INVALID',
        `${lost.length} of ${blocks.size} blocks did not arrive in the shared store: see that it runs and has room`,
      );
    }
  }
  if (problems.length > 0) {
    const some = problems.slice(0, 8).join('; ');
    throw new PoisonError(problems.length > 8 ? `${some}; and ${problems.length - 8} more` : some);
  }
  const present = blocks.size - missing.length + late;
  return { encoded, present, tokens, bytes, ms: Math.round(performance.now() - started), worker };
}

function policyOf(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : jobPolicy(text);
  } catch (error) {
    throw new PoisonError(error instanceof Error ? error.message : String(error));
  }
}

async function missingOf({ store }: Engine, blocks: ReadonlyMap<BlockKey, Passage>): Promise<Passage[]> {
  const entries = await Promise.all(
    [...blocks].map(async ([key, passage]) => ((await store.has(key)) === undefined ? passage : undefined)),
  );
  return entries.filter((passage) => passage !== undefined);
}

/** The passage and its block's key, or why it can have none. */
function check(engine: Engine, value: unknown, options: KeyOptions): { passage: Passage; key: BlockKey } | string {
  const passage = readPassage(value);
  if (typeof passage === 'string') return passage;
  try {
    const tokens = engine.tokenizer.count(`${passage.title ?? ''}${passage.text}`);
    const { contextTokens } = engine.model;
    if (tokens > contextTokens) return `it has ${tokens} tokens, the context holds ${contextTokens}: split it`;
    const [key] = engine.blockKeys([passage], options);
    return key === undefined ? 'it gives no block' : { passage, key };
  } catch (error) {
    if (BlockAttentionError.isInstance(error)) return error.message;
    throw error;
  }
}

function nameOf(value: unknown): string {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return typeof id === 'string' ? ` (${JSON.stringify(id.slice(0, 80))})` : '';
}
