/**
 * Checks of what callers hand in, before any of it reaches a template or a tokenizer.
 */
import { BlockAttentionError, type ErrorCode } from '../errors.ts';
import type { Passage, PreviousPassage, Turn } from './types.ts';

/** Index of the first lone surrogate, or -1: such text has no UTF-8 and so no tokens. */
export function loneSurrogate(text: string): number {
  return text.isWellFormed() ? -1 : text.search(/\p{Surrogate}/u);
}

/** @throws `code` when the value is not a string, or not well-formed Unicode. `what` names it. */
export function requireText(value: unknown, what: string, code: ErrorCode = 'INVALID_ARGUMENT'): string {
  if (typeof value !== 'string') {
    throw new BlockAttentionError(code, `${what} is ${value === null ? 'null' : typeof value}: give a string`);
  }
  const lone = loneSurrogate(value);
  if (lone >= 0) {
    throw new BlockAttentionError(
      code,
      `${what} is not well-formed Unicode: it has a lone surrogate at index ${lone}; repair it with toWellFormed()`,
    );
  }
  return value;
}

/** The text, without surrounding white space. @throws `code` when nothing is left. */
export function requireContent(value: unknown, what: string, code: ErrorCode = 'INVALID_ARGUMENT'): string {
  const text = requireText(value, what, code).trim();
  if (text === '') throw new BlockAttentionError(code, `${what} is empty: give it some text`);
  return text;
}

/** @throws EMPTY_QUESTION when it has no text; INVALID_ARGUMENT when it is not a well-formed string. */
export function requireQuestion(value: unknown): string {
  const text = requireText(value, 'the question').trim();
  if (text === '') throw new BlockAttentionError('EMPTY_QUESTION', 'the question is empty: ask something');
  return text;
}

/** An instruction, or undefined when it is absent or blank. */
export function optionalContent(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined;
  const text = requireText(value, what).trim();
  return text === '' ? undefined : text;
}

/** Finished turns, white space around their texts dropped. @throws INVALID_ARGUMENT naming the turn and the side. */
export function requireTurns(turns: readonly Turn[], what: string): Turn[] {
  requireList(turns, what, 'INVALID_ARGUMENT', '{ user, assistant }');
  return turns.map((turn, index) => ({
    user: requireContent(turn?.user, `${what}[${index}].user`),
    assistant: requireContent(turn?.assistant, `${what}[${index}].assistant`),
  }));
}

function requireList(value: unknown, what: string, code: ErrorCode, item: string): void {
  if (!Array.isArray(value)) throw new BlockAttentionError(code, `${what} is not an array: give a list of ${item}`);
}

/** A checked passage: `title` trimmed and absent when blank, `text` without blank lines around it. */
export interface CheckedPassage {
  readonly id: string;
  readonly title: string | undefined;
  readonly text: string;
  /** Likewise. */
  readonly previous?: PreviousPassage | undefined;
}

/**
 * Passages as they enter a block. The white space around a text is dropped (the indentation of its first line stays),
 * because the template puts its own there and models notice a newline too many.
 * @throws INVALID_PASSAGES naming the index and the field.
 */
export function requirePassages(passages: readonly Passage[]): CheckedPassage[] {
  requireList(passages, 'passages', 'INVALID_PASSAGES', '{ text, title?, id? }');
  return passages.map((passage, index) => {
    const name = `passages[${index}]`;
    const code = 'INVALID_PASSAGES';
    if (typeof passage !== 'object' || passage === null) {
      throw new BlockAttentionError(code, `${name} is not an object: give { text, title?, id? }`);
    }
    const said = requireTitled(passage, name);
    const id = passage.id === undefined ? String(index) : requireText(passage.id, `${name}.id`, code);
    if (passage.previous === undefined) return { id, ...said };
    return { id, ...said, previous: requirePrevious(passage.previous, `${name}.previous`) };
  });
}

/** What stands before a passage in its document, likewise. @throws INVALID_PASSAGES naming the field */
export function requirePrevious(previous: unknown, name: string): PreviousPassage {
  if (typeof previous === 'object' && previous !== null) {
    const { title, text }: { title?: unknown; text?: unknown } = previous;
    return requireTitled({ title: title ?? undefined, text }, name);
  }
  throw new BlockAttentionError('INVALID_PASSAGES', `${name} is not an object: give { text, title? }, or leave it out`);
}

function requireTitled(
  given: { readonly title?: unknown; readonly text?: unknown },
  name: string,
): Pick<CheckedPassage, 'title' | 'text'> {
  const code = 'INVALID_PASSAGES';
  requireContent(given.text, `${name}.text`, code);
  const title = given.title === undefined ? '' : requireText(given.title, `${name}.title`, code).trim();
  return { title: title === '' ? undefined : title, text: withoutOuterBlankLines(requireText(given.text, name, code)) };
}

function withoutOuterBlankLines(text: string): string {
  const end = text.trimEnd();
  const indented = end.length - end.trimStart().length;
  return end.slice(end.lastIndexOf('\n', indented) + 1);
}
