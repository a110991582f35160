/**
 * Questions that ask for a few words copied from the passages, as extractive question answering scores them.
 *
 * The plain layout ends with `Answer:` and gets such answers as it is; chat models answer in sentences unless they are
 * asked not to. Passages are untouched, so their blocks are those of every other question.
 */

import { type BlockPlan, block, plain } from '../types.ts';
import type { PromptLayout } from './plans.ts';
import { shortAnswerRequest, shortAnswerStart } from './wording.ts';

/** The question with the request behind it, where the layout needs one. A blank question stays blank. */
export function askShort(question: string, layout: PromptLayout): string {
  return layout === 'plain' || question.trim() === '' ? question : question.trim() + shortAnswerRequest;
}

/** The plan with the answer opened, where the layout does not do so itself. */
export function openAnswer(plan: BlockPlan, layout: PromptLayout): BlockPlan {
  const final = plan.blocks.at(-1);
  if (layout === 'plain' || final === undefined) return plan;
  const opened = block(final.id, final.kind, [...final.segments, plain(shortAnswerStart)]);
  return { ...plan, blocks: [...plan.blocks.slice(0, -1), opened], answerAfterSpace: true };
}
