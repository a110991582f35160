/** Filling the store ahead of questions: every passage's block, and the instruction's. */
import {
  createTokenMemo,
  planRag,
  requirePassages,
  type TokenizedPlan,
  tokenizePlan,
  tokenizePlanAside,
} from '../../prompt/index.ts';
import type { BlockKey } from '../../store/index.ts';
import { checkBytes } from '../answer/check-bytes.ts';
import type { EngineParts } from '../engine.ts';
import { checkNeighbour, tailsNow, tailsOf } from '../policy/neighbour-tokens.ts';
import { longestNeighbour, parsePolicy, seesNeighbour } from '../policy/policy.ts';
import type { EncodeOptions, EncodeSummary, KeyOptions, Passage } from '../types.ts';
import { blockPolicy } from '../verdict/choose-mode.ts';

/** Blocks asked for at once: enough to fill batches, few enough for progress and a small store. */
const window = 16;
/** What blocks of earlier runs were most likely encoded under. */
const usualPolicies = ['plain', 'anchor:bos', 'anchor:header', 'anchor:100', 'anchor:200'].map(parsePolicy);
/** Bytes not yet written to lower tiers before the next blocks are encoded. */
const mostPendingBytes = 32 * 2 ** 20;

/** @throws INVALID_PASSAGES, CONTEXT_OVERFLOW for one that no prompt can hold, ABORTED, STORE_FULL */
export async function encodePassages(
  parts: EngineParts,
  passages: readonly Passage[],
  options: EncodeOptions,
): Promise<EncodeSummary> {
  const { source, store, tokenizer, template, memo, modes, contextTokens } = parts;
  const started = performance.now();
  const { signal, tenant, onProgress, onBlock } = options;
  const policy = blockPolicy(options, modes);
  let encoded = 0;
  let present = 0;
  let tokens = 0;
  let encodedTokens = 0;
  let bytes = 0;
  let done = 0;
  // All of them first: a bad passage is named by its place in the list, before any work.
  for (const { id, title, text, previous } of requirePassages(passages)) {
    const name = `passage ${JSON.stringify(id)}`;
    checkBytes(tokenizer, [title, text], contextTokens, name);
    if (seesNeighbour(policy)) checkNeighbour(previous, { tokenizer, contextTokens }, `what stands before ${name}`);
  }
  // The instruction's block comes along.
  for (let first = 0; first < passages.length; first += window) {
    const part = passages.slice(first, first + window);
    const planned = planOf(part, { template, tokenizer });
    const plan = await tokenizePlanAside(planned, tokenizer, memo, { maxTokens: contextTokens });
    const begins = first === 0;
    const blocks = plan.blocks.slice(begins ? 0 : -1 - part.length, -1);
    const tails = await tailsOf(parts, policy, blocks);
    const handles = await source.acquire(
      blocks.map((block) => block.tokens),
      { signal, tenant, policy, begins, tails },
    );
    handles.forEach((handle, i) => {
      if (handle.status === 'hit') present += 1;
      else encoded += 1;
      const count = blocks[i]?.tokens.length ?? 0;
      tokens += count;
      if (handle.status === 'miss') encodedTokens += count;
      bytes += handle.memory.size;
      if (blocks[i]?.kind === 'passage') onBlock?.(handle.key, handle.status);
      handle.release();
    });
    // Tiers are written in the background; a warm-up that outruns them would lose what does not fit their queue.
    if (store.stats().pendingWriteBytes > mostPendingBytes) await store.flush();
    done += part.length;
    onProgress?.(done, passages.length);
  }
  await store.flush();
  return { blocks: encoded + present, encoded, present, tokens, encodedTokens, bytes, ms: performance.now() - started };
}

/** Removes the passages' blocks, however they were encoded: see Engine.forget(). @returns how many there were @throws INVALID_PASSAGES */
export async function forgetPassages(
  parts: EngineParts,
  passages: readonly Passage[],
  { tenant, policy }: KeyOptions,
): Promise<number> {
  const { source, tokenizer, template, modes } = parts;
  requirePassages(passages);
  for (const each of [...usualPolicies, blockPolicy({}, modes), blockPolicy({ policy }, modes)])
    source.encodings.of(each);
  // What is forgotten is not remembered here.
  const memo = createTokenMemo(0);
  const keys = new Set<BlockKey>();
  for (let first = 0; first < passages.length; first += window) {
    const part = passages.slice(first, first + window);
    const plan = await tokenizePlanAside(planOf(part, { template, tokenizer }), tokenizer, memo);
    const blocks = passageBlocks(plan, part);
    const before = tailsNow(parts, longestNeighbour, blocks);
    for (const [i, { tokens }] of blocks.entries()) {
      for (const { key } of source.variants(tokens, tenant, before[i])) keys.add(key);
    }
  }
  return removeBlocks(parts, keys);
}

/** Removes blocks from every tier and from the memory of the device. @returns how many tiers' there were */
export async function removeBlocks(
  { source, store }: Pick<EngineParts, 'source' | 'store'>,
  keys: ReadonlySet<BlockKey>,
): Promise<number> {
  const all = [...keys];
  await source.forget(all);
  return store.remove(all);
}

/** The key of each passage's block. @throws INVALID_PASSAGES, INVALID_ARGUMENT */
export function passageKeys(
  parts: EngineParts,
  passages: readonly Passage[],
  { tenant, ...options }: KeyOptions,
): BlockKey[] {
  const { source, tokenizer, template, modes } = parts;
  requirePassages(passages);
  const policy = blockPolicy(options, modes);
  const keys: BlockKey[] = [];
  for (let first = 0; first < passages.length; first += window) {
    const part = passages.slice(first, first + window);
    const plan = tokenizePlan(planOf(part, { template, tokenizer }), tokenizer);
    const blocks = passageBlocks(plan, part);
    const tails = tailsNow(parts, policy, blocks);
    const tokens = blocks.map((block) => block.tokens);
    for (const { key } of source.requests(tokens, { tenant, policy, begins: false, tails })) keys.push(key);
  }
  return keys;
}

/** A block depends on its passage alone, so any question does to plan with. */
function planOf(passages: readonly Passage[], { template, tokenizer }: Pick<EngineParts, 'template' | 'tokenizer'>) {
  return planRag({ template, passages, question: '?' }, tokenizer);
}

/** Of instruction, passages and question those of the passages. */
function passageBlocks({ blocks }: TokenizedPlan, { length }: readonly Passage[]) {
  return blocks.slice(-1 - length, -1);
}
