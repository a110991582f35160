/** Filling the store ahead of questions: every passage's block, and the instruction's. */
import { planRag, requirePassages, tokenizePlan } from '../prompt/index.ts';
import type { EngineParts } from './engine.ts';
import type { EncodeOptions, EncodeSummary, Passage } from './types.ts';

/** Blocks asked for at once: enough to fill batches, few enough for progress and a small store. */
const window = 16;

/** @throws INVALID_PASSAGES, ABORTED, STORE_FULL */
export async function encodePassages(
  { source, tokenizer, template, memo }: EngineParts,
  passages: readonly Passage[],
  options: EncodeOptions,
): Promise<EncodeSummary> {
  const started = performance.now();
  const { signal, tenant, onProgress } = options;
  let encoded = 0;
  let present = 0;
  let tokens = 0;
  let bytes = 0;
  let done = 0;
  // All of them first: a bad passage is named by its place in the list, before any work.
  requirePassages(passages);
  // A block depends on its passage alone, so any question does to plan with; the instruction's block comes along.
  for (let first = 0; first < passages.length; first += window) {
    const part = passages.slice(first, first + window);
    const plan = tokenizePlan(planRag({ template, passages: part, question: '?' }, tokenizer), tokenizer, memo);
    const blocks = plan.blocks.slice(first === 0 ? 0 : -1 - part.length, -1);
    const handles = await source.acquire(
      blocks.map((block) => block.tokens),
      { signal, tenant },
    );
    handles.forEach((handle, i) => {
      if (handle.status === 'hit') present += 1;
      else encoded += 1;
      tokens += blocks[i]?.tokens.length ?? 0;
      bytes += handle.memory.bytes.byteLength;
      handle.release();
    });
    done += part.length;
    onProgress?.(done, passages.length);
  }
  return { blocks: encoded + present, encoded, present, tokens, bytes, ms: performance.now() - started };
}
