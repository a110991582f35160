/**
 * Reading a model's vocabulary before its engine is created: libllama takes its time, on a thread of its own, in which
 * the process can load modules and read passages.
 */
import { type Device, loadLibrary } from '../ggml/ffi/library.ts';
import { openTokenizer, type VocabTokenizer } from '../ggml/llama/vocab.ts';

const opening = new Map<string, Promise<VocabTokenizer>>();

/**
 * Begins to read. The next engine of this file takes the result over, with what may be wrong with it.
 * @returns to be disposed before the process ends: waits, and frees what nobody took
 */
export function openTokenizerAhead(modelPath: string, device?: Device): AsyncDisposable {
  const reading = loadLibrary(device).then(() => openTokenizer(modelPath));
  reading.catch(() => undefined);
  opening.set(modelPath, reading);
  return {
    async [Symbol.asyncDispose]() {
      const isTaken = opening.get(modelPath) !== reading;
      if (!isTaken) opening.delete(modelPath);
      const [read] = await Promise.allSettled([reading]);
      if (!isTaken && read.status === 'fulfilled') read.value.dispose();
    },
  };
}

/** The tokenizer that is being read ahead, else one that is opened now. The caller's to dispose. */
export function takeTokenizer(modelPath: string): Promise<VocabTokenizer> {
  const reading = opening.get(modelPath);
  opening.delete(modelPath);
  return reading ?? openTokenizer(modelPath);
}
