/**
 * Names of the files of a model that comes in several: `NAME-00001-of-00003.gguf`, counted from 1. Knows names only.
 */

export interface PartName {
  /** Which one it is, from 1. */
  readonly part: number;
  /** Of how many. */
  readonly count: number;
  /** The name of another one of them, beside it. @param part from 1 */
  sibling(part: number): string;
}

const pattern = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/is;

/** What a file's name, or its path, says; undefined for names of whole models. */
export function partName(path: string): PartName | undefined {
  const [, stem, part, count = '', extension = ''] = pattern.exec(path) ?? [];
  if (stem === undefined) return undefined;
  return {
    part: Number(part),
    count: Number(count),
    sibling: (other) => `${stem}-${String(other).padStart(5, '0')}-of-${count}${extension}`,
  };
}

/** All files of the model whose first file this is, in order: itself alone unless its name says otherwise. */
export function partsByName(path: string): string[] {
  const name = partName(path);
  if (name === undefined || name.part !== 1) return [path];
  return [path, ...Array.from({ length: Math.max(0, name.count - 1) }, (_, i) => name.sibling(i + 2))];
}
