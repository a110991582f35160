/** What full-text search sees of a chunk, and of a question: also the words inside `camelCase` names. */

/** `rotateKeys` also as `rotate Keys`: the tokenizer of the index does not cut there. */
export function withInnerWords(text: string): string {
  const inner = new Set<string>();
  for (const [name] of text.matchAll(/[\p{L}\p{N}]*\p{Ll}\p{Lu}[\p{L}\p{N}]*/gu)) {
    if (name.length <= 60) inner.add(name.replaceAll(/(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu, ' '));
  }
  return inner.size === 0 ? text : `${text}\n${[...inner].join(' ')}`;
}

export function searchText(path: string, title: string, text: string): string {
  return withInnerWords(`${path}\n${title}\n${text}`);
}
