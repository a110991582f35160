/**
 * Pages of statements that are alike, so that an answer is a matter of reading closely. Made up from seeded words, with
 * questions and the statement each is answered by.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { type ManualPage, pageOfSome } from '../made-up-page.ts';
import { modelsAndParts } from './models-and-parts.ts';
import { workAndUse } from './work-and-use.ts';

const kinds = { ...modelsAndParts, ...workAndUse };

/** @param product invented name of what the page is about */
export function factPage(random: Random, product: string): ManualPage {
  return pageOfSome(random, product, 'facts', kinds);
}
