/**
 * One JSON line of a set of questions, in any of the layouts that are in use. Knows no file and no other line.
 *
 * Told apart by the field that holds the passages:
 *   `passages` with `text`   `{question, answers, passages: [{title?, text, gold?}]}`
 *   `passages` with `ref`    the same, each passage named by the id of a paragraph in another file
 *   `ctxs`                   `{question, answers, ctxs: [{title?, text}]}`: DPR and KILT, best passage first
 *   `blocks`                 `{question, answer, blocks: [string]}`
 *   `qas` or `questions`     `{id?, title?, text, qas: [{question, answers}]}`: one paragraph, several questions
 *   `text`                   `{question, answers, title?, text}`: one paragraph, one question
 * A passage may say what stands before it in its document, `previous: {title?, text}`. No answers (`[]`) means that the passages do not say. Further fields are ignored. Nothing is repaired.
 */
import { z } from 'zod';
import { checkRow, invalidData, type Passage, rowPassage } from '../../prompt/index.ts';

export interface Asked {
  readonly question: string;
  /** Any of them is right. Empty: the passages do not say. */
  readonly answers: readonly string[];
  /** What another passage would have been asked for: wrong here. */
  readonly wrong?: string;
}

/** A passage, by its text or by where that stands. `gold`: the answer is in it. */
export interface Given {
  readonly passage: Passage | { readonly ref: string };
  readonly gold: boolean;
}

export type QuestionRow =
  | { readonly kind: 'passages'; readonly asked: Asked; readonly given: readonly Given[] }
  | {
      readonly kind: 'paragraph';
      readonly id: string | undefined;
      readonly paragraph: Passage;
      readonly asked: readonly Asked[];
    };

const text = z.string().refine((value) => value.trim() !== '', 'is empty');
const titled = z.object({ title: z.string().nullish(), text });
const passage = titled.extend({ previous: titled.nullish() });
const asked = { question: text, answers: z.array(text), wrong: text.nullish() };
const gold = z.boolean().nullish();
const schemas = {
  passages: z.object({
    ...asked,
    passages: z.array(z.union([z.object({ ref: text, gold }), passage.extend({ gold })])).min(1, 'is empty'),
  }),
  texts: z.object({ ...asked, passages: z.array(passage.extend({ gold })).min(1, 'is empty') }),
  ctxs: z.object({ ...asked, ctxs: z.array(passage).min(1, 'is empty') }),
  blocks: z.object({ question: text, answer: text, blocks: z.array(text).min(1, 'is empty') }),
  paragraph: passage.extend({ id: z.string().nullish(), qas: z.array(z.object(asked)) }),
  single: passage.extend(asked),
};

/** @param where what errors call the line, such as `file:3`. @throws INVALID_DATA naming line and field */
export function parseRow(line: string, where: string): QuestionRow {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalidData(`${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidData(`${where} is not an object: write {"question": …, "answers": […], "passages": [{"text": …}]}`);
  }
  if ('passages' in value) {
    // Most passages are texts: only of those does a complaint name the field.
    const refs = Array.isArray(value.passages) && value.passages.some((one: unknown) => hasRef(one));
    const read = checkRow(refs ? schemas.passages : schemas.texts, value, where);
    return { kind: 'passages', asked: toAsked(read), given: read.passages.map(toGiven) };
  }
  if ('ctxs' in value) {
    const read = checkRow(schemas.ctxs, value, where);
    return { kind: 'passages', asked: toAsked(read), given: read.ctxs.map(toGiven) };
  }
  if ('blocks' in value) {
    const { question, answer, blocks } = checkRow(schemas.blocks, value, where);
    return {
      kind: 'passages',
      asked: { question, answers: [answer] },
      given: blocks.map((block) => toGiven({ text: block })),
    };
  }
  const several = 'qas' in value ? value.qas : 'questions' in value ? value.questions : undefined;
  if (several !== undefined) {
    const read = checkRow(schemas.paragraph, { ...value, qas: several }, where);
    return { kind: 'paragraph', id: read.id ?? undefined, paragraph: rowPassage(read), asked: read.qas.map(toAsked) };
  }
  if ('text' in value) {
    const read = checkRow(schemas.single, value, where);
    return { kind: 'paragraph', id: undefined, paragraph: rowPassage(read), asked: [toAsked(read)] };
  }
  throw invalidData(`${where}: field "passages" is missing: give "passages", "ctxs", "blocks", or "text" with "qas"`);
}

function hasRef(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'ref' in value;
}

function toAsked(read: { question: string; answers: string[]; wrong?: string | null | undefined }): Asked {
  const { question, answers, wrong } = read;
  return { question, answers, ...(wrong === undefined || wrong === null ? {} : { wrong }) };
}

function toGiven(read: z.infer<typeof schemas.passages>['passages'][number]): Given {
  return { passage: 'ref' in read ? { ref: read.ref } : rowPassage(read), gold: read.gold ?? false };
}
