/**
 * Real models for tests: the one in the package, and those that this machine has besides.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listModels } from '../../../src/hub/index.ts';

export interface RealModel {
  readonly name: string;
  readonly path: string;
  /** Dimensions of a head. */
  readonly headDim: number;
}

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The reader of the package: a trained Llama, in f16. */
export const embedded: RealModel = { name: 'embedded', path: file('models/embedded.gguf'), headDim: 32 };

/** A 260K-parameter Llama that tells children's stories, in f32. */
export const stories260k: readonly RealModel[] = [
  { name: 'stories260k', path: file('../shared/models/stories260k.gguf'), headDim: 8 },
].filter(({ path }) => existsSync(path));

/** There after `npx block-attention pull smollm2-135m`. */
export const smollm2: readonly RealModel[] = (await listModels())
  .filter(({ file }) => /smollm2-135m/i.test(file))
  .slice(0, 1)
  .map(({ path }) => ({ name: 'SmolLM2-135M-Instruct', path, headDim: 64 }));

export const realModels: readonly RealModel[] = [embedded, ...stories260k, ...smollm2];
