/**
 * Questions with their passages and gold answers, from JSON lines.
 *
 * Three layouts, told apart by the field that holds the passages, line by line:
 *   `{question, answers: [string], passages: [{title?, text}]}`
 *   `{question, answers: [string], ctxs: [{title?, text}]}`     DPR and KILT, best passage first
 *   `{question, answer: string, blocks: [string]}`
 * Further fields are ignored, blank lines skipped. Nothing is repaired: an error names file, line and field.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BlockAttentionError } from '../errors.ts';
import type { Passage } from '../prompt/index.ts';

export interface Question {
  readonly question: string;
  /** At least one; any of them is right. */
  readonly answers: readonly string[];
  /** At least one, in the order of the prompt. */
  readonly passages: readonly Passage[];
}

export interface QuestionReadOptions {
  /** Questions to read, from the first. Defaults to all. */
  readonly limit?: number | undefined;
  /** Passages to keep of each question, from the first. Defaults to all. */
  readonly passagesPerQuestion?: number | undefined;
}

const text = z.string().refine((value) => value.trim() !== '', 'is empty');
const passage = z.object({ title: z.string().nullish(), text });
const answers = z.array(text).min(1, 'is empty');
const schemas = {
  passages: z.object({ question: text, answers, passages: z.array(passage).min(1, 'is empty') }),
  ctxs: z.object({ question: text, answers, ctxs: z.array(passage).min(1, 'is empty') }),
  blocks: z.object({ question: text, answer: text, blocks: z.array(text).min(1, 'is empty') }),
};

/** @throws INVALID_DATA naming file, line and field; INVALID_ARGUMENT when an option is no whole number of at least 1 */
export async function readQuestions(path: string, options: QuestionReadOptions = {}): Promise<Question[]> {
  const { limit = Infinity, passagesPerQuestion = Infinity } = options;
  for (const [name, value] of Object.entries({ limit, passagesPerQuestion })) {
    if (value === Infinity || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
  const questions: Question[] = [];
  for (const [index, line] of (await readLines(path)).entries()) {
    if (questions.length >= limit) break;
    if (line.trim() === '') continue;
    const read = parseQuestion(line, `${path}:${index + 1}`);
    questions.push({ ...read, passages: read.passages.slice(0, passagesPerQuestion) });
  }
  if (questions.length === 0) throw invalid(`${path} holds no questions: give at least one`);
  return questions;
}

/** One line. @param where what errors call it, such as `file:3`. @throws INVALID_DATA */
export function parseQuestion(line: string, where: string): Question {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalid(`${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${where} is no object: write {"question": …, "answers": […], "passages": [{"text": …}]}`);
  }
  if ('passages' in value) {
    const read = check(schemas.passages, value, where);
    return { question: read.question, answers: read.answers, passages: read.passages.map(toPassage) };
  }
  if ('ctxs' in value) {
    const read = check(schemas.ctxs, value, where);
    return { question: read.question, answers: read.answers, passages: read.ctxs.map(toPassage) };
  }
  if ('blocks' in value) {
    const read = check(schemas.blocks, value, where);
    return { question: read.question, answers: [read.answer], passages: read.blocks.map((block) => ({ text: block })) };
  }
  throw invalid(`${where}: field "passages" is missing: give "passages", "ctxs" or "blocks"`);
}

async function readLines(path: string): Promise<string[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw invalid(`questions cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n');
  } catch (cause) {
    throw invalid(`${path} is not UTF-8: convert the file to UTF-8`, cause);
  }
}

function check<T>(schema: z.ZodType<T>, value: object, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.reduce<string>(
    (name, step) =>
      typeof step === 'number' ? `${name}[${step}]` : name === '' ? String(step) : `${name}.${String(step)}`,
    '',
  );
  const reason = issue?.message.replace(/^Invalid input: /, '') ?? 'is invalid';
  throw invalid(`${where}: field "${field ?? ''}": ${reason}`);
}

function toPassage({ title, text: body }: z.infer<typeof passage>): Passage {
  return { ...(title === undefined || title === null || title.trim() === '' ? {} : { title }), text: body };
}

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('INVALID_DATA', message, { cause });
}
