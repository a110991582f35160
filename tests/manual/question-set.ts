/**
 * Pages as a company has them (manuals, tables, settings, notes, an API) and questions that people ask of them, with the
 * answers that count. All of it is invented.
 *
 * `questions.jsonl` holds one `ManualQuestion` per line. A question without answers is one that the pages do not answer,
 * though most of these come close. Two sets: a company's, and one about bicycles, written by somebody who had seen neither
 * the first one nor what answers it, and which nothing was made to fit.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { normalizeAnswer } from '../../packages/engine/src/scoring/metrics.ts';
import { answersYesOrNo } from '../../src/rag/answer/negation.ts';
import { notInDocuments } from '../../src/rag/index.ts';

export const questionKinds = ['span', 'table', 'code', 'phrase', 'yes/no', 'none'] as const;
export type QuestionKind = (typeof questionKinds)[number];

export interface ManualQuestion {
  readonly question: string;
  /** Forms that count, any of them; none where the pages do not answer. `yes` and `no` are how the answer begins. */
  readonly answers: readonly string[];
  /** Name of the page that answers it; where none does, of the one that comes closest. */
  readonly page: string;
  readonly kind: QuestionKind;
  /** For yes or no: what the page says. */
  readonly evidence?: string | undefined;
}

/** What a user was told. */
export interface Outcome {
  readonly text: string;
  readonly asked: boolean;
  readonly inDocuments: boolean;
}

/** By name, the folder of each set. */
export const questionSets = {
  company: import.meta.dirname,
  bicycles: join(import.meta.dirname, 'bicycles'),
} as const;
export type QuestionSet = keyof typeof questionSets;

export function pagesFolder(set: QuestionSet = 'company'): string {
  return join(questionSets[set], 'pages');
}

export function readManualQuestions(set: QuestionSet = 'company'): ManualQuestion[] {
  const lines = readFileSync(join(questionSets[set], 'questions.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as ManualQuestion);
}

export function readPage(page: string, set: QuestionSet = 'company'): string {
  return readFileSync(join(pagesFolder(set), page), 'utf8');
}

/** Whether a text has a form in it, both normalised as answers are scored. A number counts as a whole: 490 has no 49. */
export function says(text: string, form: string): boolean {
  const [said, wanted] = [normalizeAnswer(text), normalizeAnswer(form)];
  for (let at = said.indexOf(wanted); at >= 0 && wanted !== ''; at = said.indexOf(wanted, at + 1)) {
    const before = said.slice(0, at).at(-1) ?? '';
    const after = said.at(at + wanted.length) ?? '';
    const isDigit = (character: string | undefined) => /^\p{Nd}$/u.test(character ?? '');
    if (isDigit(before) && isDigit(wanted.at(0))) continue;
    if (isDigit(after) && isDigit(wanted.at(-1))) continue;
    return true;
  }
  return false;
}

/** Whether a passage holds what answers the question. */
export function holdsAnswer(text: string, { answers, evidence }: ManualQuestion): boolean {
  return evidence === undefined ? answers.some((form) => says(text, form)) : says(text, evidence);
}

export function isRight({ answers }: ManualQuestion, { text, asked, inDocuments }: Outcome): boolean {
  const refused = !asked || says(text, notInDocuments);
  if (answers.length === 0) return refused || !inDocuments;
  if (refused) return false;
  return answers.some((form) => (form === 'yes' || form === 'no' ? answersYesOrNo(text) === form : says(text, form)));
}
