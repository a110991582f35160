/**
 * Paragraphs and questions that the reader is trained on, from a folder of JSON lines, gzipped or not. Two layouts:
 *   `{title?, text, qas: [{question, answers}]}`                          a paragraph and its questions; `answers: []`: not in it
 *   `{question, answers, passages: [{title?, text, gold}]}`               a question that needs its gold passages
 * Rows of other layouts are left out. A set is what stands before `.jsonl` in its file's name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

export interface Passage {
  readonly title: string;
  readonly text: string;
}

export interface Asked {
  readonly question: string;
  /** As trained on; undefined where the passage does not say. */
  readonly answer: string | undefined;
}

/** Passages that belong together, and what is asked about them. */
export interface Unit {
  readonly set: string;
  readonly passages: readonly Passage[];
  /** Of the same question's candidates, none of which answers it. */
  readonly distractors: readonly Passage[];
  readonly asked: readonly Asked[];
  /** Units of one kind would answer each other's questions: a context has one at most. */
  readonly kind?: string;
}

const askedRow = z.object({ question: z.string().min(1), answers: z.array(z.string()) });
const passage = z.object({ title: z.string().default(''), text: z.string().min(1) });
const paragraphRow = passage.extend({ qas: z.array(askedRow) });
const gathered = passage.extend({ gold: z.boolean() });
const severalRow = askedRow.extend({ passages: z.array(gathered) });

/** @returns units by set, in the order of the files */
export function readSources(folder: string, sets: readonly string[]): Map<string, Unit[]> {
  const files = readdirSync(folder);
  return new Map(
    sets.map((set) => {
      const file = files.find((name) => name === `${set}.jsonl` || name === `${set}.jsonl.gz`);
      if (file === undefined) throw new Error(`${folder} has no ${set}.jsonl or ${set}.jsonl.gz`);
      return [set, readSet(join(folder, file), set)];
    }),
  );
}

function readSet(path: string, set: string): Unit[] {
  return readRows(path).flatMap((row) => unitOf(row, set));
}

/** @returns the rows of a file of JSON lines, gzipped or not */
export function readRows(path: string): unknown[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line): unknown => JSON.parse(line));
}

function unitOf(row: unknown, set: string): Unit[] {
  const single = paragraphRow.safeParse(row);
  if (single.success) {
    const { title, text, qas } = single.data;
    return [{ set, passages: [{ title, text }], distractors: [], asked: qas.map(askedOf) }];
  }
  const several = severalRow.safeParse(row);
  if (!several.success) return [];
  const bare = (gold: boolean) =>
    several.data.passages.filter((one) => one.gold === gold).map(({ title, text }) => ({ title, text }));
  return [{ set, passages: bare(true), distractors: bare(false), asked: [askedOf(several.data)] }];
}

export function isYesOrNo(answer: string): boolean {
  return /^(yes|no)$/i.test(answer);
}

function askedOf({ question, answers }: z.infer<typeof askedRow>): Asked {
  const [first] = answers;
  const yesOrNo = first !== undefined && isYesOrNo(first);
  return { question, answer: yesOrNo ? first.charAt(0).toUpperCase() + first.slice(1).toLowerCase() : first };
}
