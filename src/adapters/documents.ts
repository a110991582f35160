/**
 * Documents inside prompts that a framework has already made text of.
 *
 * A marked document is the document as JSON between two control characters. JSON escapes control characters, so no
 * document can contain the end of its own mark, or another mark: what a document says stays a document.
 */
import type { Passage } from '@block-attention/engine/internal/engine';

const begin = '\u001eblock-attention ';
const end = '\u001f';

/** The document as a text that adapters recognise in any message. */
export function markDocument({ id, title, text, previous }: Passage): string {
  return `${begin}${JSON.stringify({ id, title, text, previous })}${end}`;
}

/** Takes marked documents out of a text. What stood around them stays; white space where they stood is closed up. */
export function liftDocuments(text: string): { readonly text: string; readonly documents: readonly Passage[] } {
  if (!text.includes(begin)) return { text, documents: [] };
  const documents: Passage[] = [];
  const [head = '', ...rest] = text.split(begin);
  let kept = head;
  for (const part of rest) {
    const at = part.indexOf(end);
    const passage = at < 0 ? undefined : readMark(part.slice(0, at));
    if (passage) documents.push(passage);
    // A mark that was cut in two holds nothing that can be trusted: it stays as the text it is.
    kept += passage ? part.slice(at + 1) : part;
  }
  return { text: kept.replace(/[ \t]*\n\s*\n\s*/g, '\n\n').trim(), documents };
}

function readMark(json: string): Passage | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || !('text' in value) || typeof value.text !== 'string') {
      return undefined;
    }
    return readDocument(value, value.text);
  } catch {
    return undefined;
  }
}

/** The fields of a document that are what they should be. */
export function readDocument(value: object, text: string): Passage {
  const id = 'id' in value && typeof value.id === 'string' ? value.id : undefined;
  const previous = 'previous' in value && typeof value.previous === 'object' ? (value.previous ?? {}) : {};
  const before = 'text' in previous && typeof previous.text === 'string' ? previous.text : undefined;
  const title = titleOf(value);
  return { id, title, text, ...(before !== undefined && { previous: { title: titleOf(previous), text: before } }) };
}

function titleOf(value: object): string | undefined {
  return 'title' in value && typeof value.title === 'string' ? value.title : undefined;
}

/** Each text once, in order of first mention. */
export function distinctDocuments(documents: readonly Passage[]): Passage[] {
  return [
    ...new Map(documents.toReversed().map((item) => [`${item.title ?? ''}\n${item.text}`, item])).values(),
  ].toReversed();
}
