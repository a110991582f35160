/**
 * Reading a model's vocabulary before its engine is created: libllama takes its time, on a thread of its own, in which
 * the process can load modules and read passages.
 */
import { type Device, loadLibrary } from '../ggml/ffi/library.ts';
import { openTokenizer, type VocabTokenizer } from '../ggml/llama/vocab.ts';

/** A tokenizer that is being read, for the one engine that takes it. */
export class TokenizerAhead implements AsyncDisposable {
  readonly modelPath: string;
  #reading: Promise<VocabTokenizer> | undefined;

  /** Begins to read. */
  constructor(modelPath: string, device?: Device) {
    this.modelPath = modelPath;
    this.#reading = loadLibrary(device).then(() => openTokenizer(modelPath));
    // Whoever takes it hears what is wrong with it.
    this.#reading.catch(() => undefined);
  }

  /** What is being read, once, where it is of this file; from then on the caller's to dispose. */
  take(modelPath: string): Promise<VocabTokenizer> | undefined {
    if (modelPath !== this.modelPath) return undefined;
    const reading = this.#reading;
    this.#reading = undefined;
    return reading;
  }

  /** Waits, and frees what nobody took. */
  async [Symbol.asyncDispose](): Promise<void> {
    const [read] = await Promise.allSettled([this.take(this.modelPath)]);
    if (read.status === 'fulfilled') read.value?.dispose();
  }
}
