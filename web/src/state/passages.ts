/** The list of passages: what can be done to it. Pure; the page keeps the value. */
import type { Document } from '../api/types.ts';

export interface Passage {
  /** Of the page, to tell passages apart while they move; the server never sees it. */
  readonly key: number;
  readonly title: string;
  readonly text: string;
}

export interface Passages {
  readonly list: readonly Passage[];
  readonly nextKey: number;
}

export type PassagesAction =
  | { readonly type: 'load'; readonly documents: readonly Document[] }
  | { readonly type: 'add'; readonly documents: readonly Document[] }
  | { readonly type: 'edit'; readonly key: number; readonly title: string; readonly text: string }
  | { readonly type: 'remove'; readonly key: number }
  | { readonly type: 'move'; readonly key: number; readonly to: number }
  | { readonly type: 'restore'; readonly passage: Passage; readonly at: number }
  | { readonly type: 'clear' };

export const noPassages: Passages = { list: [], nextKey: 1 };

export function reducePassages(state: Passages, action: PassagesAction): Passages {
  switch (action.type) {
    case 'load':
      return append({ ...state, list: [] }, action.documents);
    case 'add':
      return append(state, action.documents);
    case 'edit': {
      const { key, title, text } = action;
      return { ...state, list: state.list.map((passage) => (passage.key === key ? { key, title, text } : passage)) };
    }
    case 'remove':
      return { ...state, list: state.list.filter(({ key }) => key !== action.key) };
    case 'move':
      return { ...state, list: moved(state.list, action.key, action.to) };
    case 'restore':
      return { ...state, list: state.list.toSpliced(action.at, 0, action.passage) };
    case 'clear':
      return { ...state, list: [] };
  }
}

export function documentsOf({ list }: Passages): Document[] {
  return list.map(({ title, text }) => ({ ...(title !== '' && { title }), text }));
}

function append({ list, nextKey }: Passages, documents: readonly Document[]): Passages {
  const added = documents.map(({ title, text }, index) => ({ key: nextKey + index, title: title ?? '', text }));
  return { list: [...list, ...added], nextKey: nextKey + added.length };
}

function moved(list: readonly Passage[], key: number, to: number): readonly Passage[] {
  const from = list.findIndex((passage) => passage.key === key);
  const passage = list[from];
  if (passage === undefined) return list;
  const target = Math.max(0, Math.min(list.length - 1, to));
  return list.toSpliced(from, 1).toSpliced(target, 0, passage);
}
