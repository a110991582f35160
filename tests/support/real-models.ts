/**
 * Real models for tests, where this machine has them. A test without its model prints why it does nothing.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listModels } from '../../src/models/index.ts';

export interface RealModel {
  readonly name: string;
  readonly path: string | undefined;
  readonly quantised: boolean;
  /** Why the model is missing. */
  readonly skip: string;
}

const stories = fileURLToPath(new URL('../../../shared/models/stories260k.gguf', import.meta.url));
const smollm = (await listModels()).find(({ file }) => /smollm2-135m/i.test(file));

/** A 260K-parameter Llama that tells children's stories. */
export const stories260k: RealModel = {
  name: 'stories260k',
  path: existsSync(stories) ? stories : undefined,
  quantised: false,
  skip: 'skipped: ../shared/models/stories260k.gguf is not here',
};

export const smollm2: RealModel = {
  name: 'SmolLM2-135M-Instruct',
  path: smollm?.path,
  quantised: true,
  skip: 'skipped: run `npx block-attention pull smollm2-135m` to test with it',
};

export const realModels: readonly RealModel[] = [stories260k, smollm2];
