/**
 * A model in several GGUF files as one: the first has the metadata, each has some of the tensors.
 *
 * Which files belong together is told by their names and by `split.no`, `split.count` and `split.tensors.count` in each;
 * a part that is missing, out of place or another model's is refused before anything of it is used.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { BlockAttentionError } from '../../errors.ts';
import { partName } from '../../part-names.ts';
import type { GgufFile, GgufTensor } from './gguf-file.ts';

/**
 * @param first as it was opened by itself
 * @param open one file by itself
 * @returns `first` where it is a whole model
 * @throws MODEL_NOT_FOUND for a missing part; MODEL_INVALID for parts that do not belong together
 */
export function joinParts(first: GgufFile, open: (path: string) => GgufFile): GgufFile {
  const { path } = first;
  const count = whole(first, 'split.count') ?? 1;
  if (count <= 1) return first;
  const name = partName(path);
  const no = (whole(first, 'split.no') ?? 0) + 1;
  if (name === undefined || name.count !== count || name.part !== no) {
    throw invalid(
      `${path} is part ${no} of a model in ${count} files (split.count), and its name does not say so: name the parts NAME-00001-of-${pad(count)}.gguf and so on, in one folder`,
    );
  }
  if (no !== 1) {
    throw invalid(`${path} is part ${no} of a model in ${count} files: give the first, ${basename(name.sibling(1))}`);
  }
  const tensors = new Map(first.tensors);
  const paths = [path];
  let bytes = first.bytes;
  for (let part = 2; part <= count; part++) {
    const other = name.sibling(part);
    if (!existsSync(other)) {
      throw new BlockAttentionError(
        'MODEL_NOT_FOUND',
        `${path} is the first of ${count} files, ${basename(other)} is not beside it: download it too, or pull the model`,
      );
    }
    const file = open(other);
    checkPlace(file, part, count);
    for (const tensor of file.tensors.values()) add(tensors, { ...tensor, part: part - 1 }, other);
    paths.push(other);
    bytes += file.bytes;
  }
  const expected = whole(first, 'split.tensors.count');
  if (expected !== undefined && expected !== tensors.size) {
    throw invalid(
      `${path}: its ${count} files have ${tensors.size} tensors, the first says ${expected}: they are not of one model, download them again`,
    );
  }
  return { ...first, bytes, tensors, paths };
}

function checkPlace(file: GgufFile, part: number, count: number): void {
  const [no, of] = [whole(file, 'split.no'), whole(file, 'split.count')];
  if (no === part - 1 && of === count) return;
  const what = no === undefined || of === undefined ? 'not a part of a model' : `part ${no + 1} of ${of}`;
  throw invalid(`${file.path} is ${what} by its header, by its name part ${part} of ${count}: download it again`);
}

function add(tensors: Map<string, GgufTensor>, tensor: GgufTensor, path: string): void {
  if (tensors.has(tensor.name)) {
    throw invalid(
      `${path} has tensor ${tensor.name}, as an earlier part has: it is another model's, download it again`,
    );
  }
  tensors.set(tensor.name, tensor);
}

function whole(file: GgufFile, key: string): number | undefined {
  const value = file.value(key);
  return typeof value === 'number' ? value : undefined;
}

function pad(count: number): string {
  return String(count).padStart(5, '0');
}

function invalid(message: string): BlockAttentionError {
  return new BlockAttentionError('MODEL_INVALID', message);
}
