/** Typed access to the metadata of one architecture: `<architecture>.<key>`, checked. */
import { BlockAttentionError } from '../../errors.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';

export class MetadataReader {
  readonly #file: GgufFile;
  readonly #prefix: string;

  constructor(file: GgufFile, architecture: string) {
    this.#file = file;
    this.#prefix = architecture;
  }

  get file(): GgufFile {
    return this.#file;
  }

  fail(key: string, value: unknown, expected: string): never {
    throw new BlockAttentionError(
      'MODEL_INVALID',
      `${this.#file.path}: ${this.#prefix}.${key} is ${String(value)}, expected ${expected}`,
    );
  }

  missing(key: string): never {
    return this.fail(key, 'missing', 'a number');
  }

  /** A truth value counts as 0 or 1. */
  number(key: string): number | undefined {
    const value = this.#file.value(`${this.#prefix}.${key}`);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' ? Number.NaN : Number(value);
    if (!Number.isFinite(number)) this.fail(key, value, 'a finite number');
    return number;
  }

  string(key: string): string | undefined {
    const value = this.#file.value(`${this.#prefix}.${key}`);
    return typeof value === 'string' ? value : undefined;
  }

  /** A required integer within [low, high]. */
  integer(key: string, low: number, high: number): number {
    const value = this.number(key);
    if (value === undefined || !Number.isInteger(value) || value < low || value > high) {
      this.fail(key, value ?? 'missing', `an integer from ${low} to ${high}`);
    }
    return value;
  }

  numbers(key: string): number[] | undefined {
    return this.#file.numbers(`${this.#prefix}.${key}`);
  }
}
