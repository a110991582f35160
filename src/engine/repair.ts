/**
 * Repair: recomputing a part of the context with full attention, for models that were not fine-tuned for block mode
 * (paper section 6). What it is called, nothing of how it is done.
 */
import { BlockAttentionError } from '../errors.ts';

/**
 * `none`: stored blocks as they are.
 * `head`: the first `tokens` tokens of every block but the first (EPIC).
 * `deviation`: the share, in (0, 1], of the tokens after the first block whose states deviate most from full
 * attention's (CacheBlend).
 */
export type Repair =
  | { readonly method: 'none' }
  | { readonly method: 'head'; readonly tokens: number }
  | { readonly method: 'deviation'; readonly share: number };

export const noRepair: Repair = { method: 'none' };

/** More than any context holds. */
const mostHeadTokens = 2 ** 31 - 1;
const forms = 'give none, head:TOKENS such as head:8, or deviation:SHARE such as deviation:0.15';

/**
 * Reads `none`, `head:8` or `deviation:0.15`. What repairs nothing (`head:0`) is `none`.
 * @throws INVALID_ARGUMENT
 */
export function parseRepair(text: string): Repair {
  const [, method, number] = /^(none|head|deviation)(?::(\d+(?:\.\d+)?))?$/.exec(text.trim()) ?? [];
  if (method === 'none' && number === undefined) return noRepair;
  if (number === undefined || (method !== 'head' && method !== 'deviation')) {
    throw invalid(`repair is ${JSON.stringify(text)}: ${forms}`);
  }
  return checkRepair(
    method === 'head' ? { method, tokens: Number(number) } : { method: 'deviation', share: Number(number) },
  );
}

/** The repair, or `none` if it repairs nothing. @throws INVALID_ARGUMENT when a number is out of range */
export function checkRepair(repair: Repair): Repair {
  if (repair.method === 'none') return noRepair;
  if (repair.method === 'head') {
    const { tokens } = repair;
    if (!Number.isInteger(tokens) || tokens < 0 || tokens > mostHeadTokens) {
      throw invalid(`repair head has ${String(tokens)} tokens: give a whole number of at least 0`);
    }
    return tokens === 0 ? noRepair : repair;
  }
  if (repair.method === 'deviation') {
    const { share } = repair;
    if (!(share >= 0 && share <= 1)) {
      throw invalid(`repair deviation has the share ${String(share)}: give a number from 0 to 1`);
    }
    return share === 0 ? noRepair : repair;
  }
  throw invalid(`repair is ${JSON.stringify(repair)}: ${forms}`);
}

/** What parseRepair() reads. */
export function formatRepair(repair: Repair): string {
  if (repair.method === 'head') return `head:${repair.tokens}`;
  return repair.method === 'deviation' ? `deviation:${repair.share}` : 'none';
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
