/**
 * Anchored encoding, a part of a context policy: what a passage is encoded behind (docs/policies.md). A passage that is encoded
 * from nothing grows an attention sink of its own; behind a short text that every passage has in common it does not.
 * What an anchor is called, nothing of its tokens: those are anchor-tokens.ts's.
 */
import { refuse, wholeIn } from './read-part.ts';

/**
 * `bos`: the first token of a prompt. `header`: the first block of a prompt with the template's own instruction.
 * `neutral`: that block and the first sentences of a text of ours (anchor-text.ts), of at most `tokens` tokens. `text`, `file`: that block and
 * a text of the user's own.
 */
export type Anchor =
  | { readonly kind: 'bos' }
  | { readonly kind: 'header' }
  | { readonly kind: 'neutral'; readonly tokens: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string };

/** The text of ours has at least as many tokens in every vocabulary: a word has at least one. */
export const mostNeutralTokens = 300;
/** Longest text of a user's own, in characters. */
export const mostAnchorChars = 4096;

export const anchorForms = 'anchor:bos, anchor:header, anchor:TOKENS, anchor:text=TEXT, anchor:file=PATH';

const remedy = `give bos, header, 1 to ${mostNeutralTokens} tokens, text=TEXT or file=PATH`;

/** Reads what stands behind `anchor:`. `none` is null. @throws INVALID_ARGUMENT */
export function readAnchor(part: string, value: string | undefined): Anchor | null {
  if (value === 'none') return null;
  if (value === 'bos' || value === 'header') return { kind: value };
  if (value !== undefined && /^\d/.test(value)) {
    const bounds = { what: 'the tokens behind the header', min: 1, max: mostNeutralTokens };
    return { kind: 'neutral', tokens: wholeIn(part, value, bounds) };
  }
  const [, kind, encoded] = /^(text|file)=(.+)$/s.exec(value ?? '') ?? [];
  if (kind === undefined || encoded === undefined) throw refuse(part, remedy);
  const own = decoded(part, encoded);
  if (own.length > mostAnchorChars) {
    throw refuse(part, `it has ${own.length} characters, at most ${mostAnchorChars} are allowed`);
  }
  if (own.trim() === '' || /\0/.test(own)) throw refuse(part, `${kind} is empty, or has a zero byte: ${remedy}`);
  return kind === 'text' ? { kind, text: own } : { kind: 'file', path: own };
}

export function formatAnchor(anchor: Anchor): string {
  if (anchor.kind === 'neutral') return `anchor:${anchor.tokens}`;
  if (anchor.kind === 'text') return `anchor:text=${encoded(anchor.text)}`;
  return anchor.kind === 'file' ? `anchor:file=${encoded(anchor.path)}` : `anchor:${anchor.kind}`;
}

/** `+` and `,` stand between parts and between policies: as `%2B` and `%2C` they are text, and `%` is `%25`. */
function encoded(text: string): string {
  return text.replace(/[%+,]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse(part, 'a % that is not an escape is written %25');
  }
}
