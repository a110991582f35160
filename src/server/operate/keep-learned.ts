/** Where what a server learned about its model is kept: as its verdict, unless somebody verified it. */

import {
  type Engine,
  type PromptTemplate,
  readVerdict,
  verdictIdentity,
  verdictPath,
  writeVerdict,
} from '@block-attention/engine/internal/engine';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import type { LearnedVerdict } from './learning.ts';

/** @param options.template the one the engine was made with. @returns what throws when it cannot be written */
export function keepLearned(
  { model, kvType }: Engine,
  {
    template,
    cacheDir = cacheFolder(),
  }: { readonly template?: PromptTemplate | undefined; readonly cacheDir?: string },
): (found: LearnedVerdict) => Promise<void> {
  return async (found) => {
    const adapter = model.adapter?.identity;
    const identity = await verdictIdentity({ modelPath: model.path, template, kvType, adapter, cacheDir });
    const known = await readVerdict(identity, { cacheDir });
    // `verify` may have run since the server was started.
    if (known !== undefined && known.learned !== true) return;
    await writeVerdict({ ...found, identity }, verdictPath(identity, cacheDir));
  };
}
