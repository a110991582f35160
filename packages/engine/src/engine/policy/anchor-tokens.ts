/**
 * The tokens of an anchor for one template and vocabulary: one canonical anchor for every prompt, never the user's own
 * system text, or no block could be shared between prompts.
 */
import { readFileSync } from 'node:fs';
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/index.ts';
import { type PromptTemplate, planRag, tokenizePlan } from '../../prompt/index.ts';
import { type Anchor, mostAnchorChars } from './anchor.ts';
import { neutralText } from './anchor-text.ts';
import type { ContextPolicy } from './policy.ts';

/** Some chat templates write the date. An anchor must not change overnight: this is the day where it is used. */
const anchorDay = new Date(2024, 6, 26, 12);
/** Of a text of the user's own: every passage is encoded behind it. */
const mostTokens = 1024;

/**
 * Token ids of an anchor, in order.
 * @throws INVALID_ARGUMENT for a file that cannot be read, is empty or too long, or text that gives no token
 */
export function anchorTokens(anchor: Anchor, tokenizer: Tokenizer, template: PromptTemplate): Int32Array {
  const header = headerTokens(tokenizer, template);
  if (anchor.kind === 'bos') return header.slice(0, 1);
  if (anchor.kind === 'header') return header;
  const own =
    anchor.kind === 'neutral' ? neutralTokens(tokenizer, anchor.tokens) : tokenizer.tokenize(textOf(anchor), false);
  if (own.length === 0) throw invalid('the text of the anchor gives no token: give words');
  if (own.length > mostTokens) {
    throw invalid(`the text of the anchor has ${own.length} tokens: give at most ${mostTokens}`);
  }
  return Int32Array.from([...header, ...own]);
}

/**
 * The neutral text's first sentences, as many whole ones as fit, and a blank line: behind half a sentence a passage is
 * read as its continuation. Where not even one fits, its first tokens.
 */
function neutralTokens(tokenizer: Tokenizer, most: number): Int32Array {
  let fitting: Int32Array | undefined;
  for (const { index } of neutralText.matchAll(/(?<=[.?!])\s/g)) {
    const tokens = tokenizer.tokenize(`${neutralText.slice(0, index)}\n\n`, false);
    if (tokens.length > most) break;
    fitting = tokens;
  }
  return fitting ?? tokenizer.tokenize(neutralText, false).slice(0, most);
}

/** What a policy encodes passages behind; empty for nothing. @throws what anchorTokens() does */
export function tokensBefore(
  { anchor }: Pick<ContextPolicy, 'anchor'>,
  tokenizer: Tokenizer,
  template: PromptTemplate,
): Int32Array {
  return anchor === null ? new Int32Array(0) : anchorTokens(anchor, tokenizer, template);
}

/** The first block of a prompt with passages and the template's own instruction. */
function headerTokens(tokenizer: Tokenizer, template: PromptTemplate): Int32Array {
  const request = { template, passages: [{ text: '-' }], question: '?', now: anchorDay };
  const [first] = tokenizePlan(planRag(request, tokenizer), tokenizer).blocks;
  return first?.tokens ?? new Int32Array(0);
}

function textOf(anchor: Extract<Anchor, { kind: 'text' | 'file' }>): string {
  if (anchor.kind === 'text') return anchor.text;
  let text: string;
  try {
    text = readFileSync(anchor.path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(`the anchor's file cannot be read: ${why}; name a text file`);
  }
  if (text.trim() !== '' && text.length <= mostAnchorChars) return text;
  throw invalid(
    `the anchor's file ${anchor.path} has ${text.length} characters: give text of 1 to ${mostAnchorChars} characters`,
  );
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', message);
}
