/** Writes a model in several files, as llama.cpp's llama-gguf-split does. */
import { openGguf } from '../../../packages/engine/src/ggml/gguf/gguf-file.ts';
import { readGgufMetadata } from '../../../packages/engine/src/ggml/gguf/gguf-metadata.ts';
import { type GgufEntry, writeGguf } from '../../../packages/engine/src/ggml/gguf/gguf-writer.ts';
import { TensorData } from '../../../packages/engine/src/ggml/gguf/tensor-data.ts';

/**
 * @param stem path of the parts up to their numbers
 * @param more of one part's metadata, by its index, to write wrong ones
 * @returns the paths of the parts
 */
export async function splitModel(
  from: string,
  stem: string,
  count: number,
  more: (part: number) => Readonly<Record<string, GgufEntry>> = () => ({}),
): Promise<string[]> {
  const whole = await openGguf(from);
  const metadata = await readGgufMetadata(whole);
  const tensors = [...whole.tensors.values()];
  const each = Math.ceil(tensors.length / count);
  using data = new TensorData(from);
  const paths: string[] = [];
  for (let part = 0; part < count; part++) {
    const number = (n: number) => String(n).padStart(5, '0');
    const path = `${stem}-${number(part + 1)}-of-${number(count)}.gguf`;
    const entries: [string, GgufEntry][] = [
      ...(part === 0 ? metadata : []),
      ['split.no', { u16: part }],
      ['split.count', { u16: count }],
      ['split.tensors.count', { i32: tensors.length }],
      ...Object.entries(more(part)),
    ];
    const own = tensors.slice(part * each, (part + 1) * each);
    await writeGguf(
      path,
      new Map(entries),
      own.map((entry) => ({ ...entry, data: () => data.bytes(entry) })),
    );
    paths.push(path);
  }
  return paths;
}
