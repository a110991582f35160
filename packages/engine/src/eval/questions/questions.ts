/**
 * Questions with their passages and gold answers, from files of JSON lines (question-rows.ts: their layouts).
 *
 * Blank lines are skipped. Nothing is repaired: an error names file, line and field.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Passage } from '../../prompt/index.ts';
import { createRandom } from '../../random.ts';
import { distractors } from './distractors.ts';
import { questionLines, referencedParagraphs } from './question-lines.ts';
import { type Asked, type Given, parseRow, type QuestionRow } from './question-rows.ts';

export interface Question {
  readonly question: string;
  /** Any of them is right; empty where the passages do not say. */
  readonly answers: readonly string[];
  /** In the order of the prompt. */
  readonly passages: readonly Passage[];
  /** An answer that another of the passages would be right for: wrong here. */
  readonly wrong?: string;
}

export interface QuestionReadOptions {
  /** Questions to read, from the first. Defaults to all. */
  readonly limit?: number | undefined;
  /** Questions to draw from those, always the same ones. Defaults to all, in their order. */
  readonly sample?: number | undefined;
  /** Passages to keep of each question, from the first. Defaults to all. */
  readonly passagesPerQuestion?: number | undefined;
  /**
   * Passages of each question. Of those that come with more, the ones that answer are kept and the first of the
   * others; those that come with one paragraph get others of the file that do not answer. Defaults to what comes.
   */
  readonly passages?: number | undefined;
}

/** @throws INVALID_DATA naming file, line and field; INVALID_ARGUMENT when an option is not a whole number of at least 1 */
export async function readQuestions(path: string, options: QuestionReadOptions = {}): Promise<Question[]> {
  const { limit = Infinity, sample = Infinity, passagesPerQuestion = Infinity, passages } = options;
  for (const [name, value] of Object.entries({ limit, sample, passagesPerQuestion, passages: passages ?? 1 })) {
    if (value === Infinity || (Number.isSafeInteger(value) && value >= 1)) continue;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${value}: give a whole number of at least 1`);
  }
  const rows: QuestionRow[] = [];
  let asked = 0;
  for (const [index, line] of (await questionLines(path)).entries()) {
    // Distractors come from the whole file.
    if (asked >= limit && passages === undefined) break;
    if (line.trim() === '') continue;
    const row = parseRow(line, `${path}:${index + 1}`);
    asked += row.kind === 'passages' ? 1 : row.asked.length;
    rows.push(row);
  }
  const open = rows.flatMap((row, index) => openQuestions(row, index)).slice(0, limit);
  if (open.length === 0) throw invalid(`${path} holds no questions: give at least one`);
  const drawn = sample < open.length ? draw(open, sample) : open;
  const complete = await completer(path, rows, passages);
  return drawn.map((one) => {
    const question = complete(one);
    return { ...question, passages: question.passages.slice(0, passagesPerQuestion) };
  });
}

/** One line that asks one thing of given passages. @param where what errors call it, such as `file:3`. @throws INVALID_DATA */
export function parseQuestion(line: string, where: string): Question {
  const row = parseRow(line, where);
  const [open] = openQuestions(row, 0);
  if (open === undefined) throw invalid(`${where} asks nothing: give it a question`);
  return { ...open.asked, passages: textsOf(open.given ?? [], new Map(), where) };
}

/** A question whose passages are not settled. */
interface Open {
  readonly asked: Asked;
  /** Those of its line. */
  readonly given: readonly Given[];
  /** Index of its line, if that is a paragraph. */
  readonly paragraph: number | undefined;
}

function openQuestions(row: QuestionRow, index: number): Open[] {
  if (row.kind === 'passages') return [{ asked: row.asked, given: row.given, paragraph: undefined }];
  const given = [{ passage: row.paragraph, gold: true }];
  return row.asked.map((asked) => ({ asked, given, paragraph: index }));
}

/** Gives questions their passages. */
async function completer(path: string, rows: readonly QuestionRow[], count: number | undefined) {
  const refers = rows.some((row) => row.kind === 'passages' && row.given.some(({ passage }) => 'ref' in passage));
  const paragraphs = refers ? await referencedParagraphs(path) : new Map<string, Passage>();
  const set = rows.map((row) => (row.kind === 'paragraph' ? { passage: row.paragraph, asked: row.asked } : undefined));
  const known = set.flatMap((paragraph) => paragraph ?? []);
  const indexes = new Map([...set.entries()].filter(([, paragraph]) => paragraph).map(([index], i) => [index, i]));
  const among = count === undefined || count === 1 || known.length === 0 ? undefined : distractors(known);
  if (among !== undefined && count !== undefined && known.length < count) {
    throw invalid(`${path} has ${known.length} paragraphs: ask for at most as many passages, not ${count}`);
  }
  return ({ asked, given, paragraph }: Open): Question => {
    if (paragraph !== undefined && among !== undefined && count !== undefined) {
      const { passages, wrong } = among(indexes.get(paragraph) ?? 0, asked, count) ?? {
        passages: [],
        wrong: undefined,
      };
      return { ...asked, passages, ...(asked.wrong === undefined && wrong !== undefined ? { wrong } : {}) };
    }
    return { ...asked, passages: textsOf(fewest(given, count), paragraphs, path) };
  };
}

/** So many of the passages, in their order: first of all those that answer. */
function fewest(given: readonly Given[], count: number | undefined): readonly Given[] {
  if (count === undefined || given.length <= count) return given;
  const ranked = [...given.filter(({ gold }) => gold), ...given.filter(({ gold }) => !gold)].slice(0, count);
  return given.filter((one) => ranked.includes(one));
}

function textsOf(given: readonly Given[], paragraphs: ReadonlyMap<string, Passage>, where: string): Passage[] {
  return given.map(({ passage }) => {
    if (!('ref' in passage)) return passage;
    const found = paragraphs.get(passage.ref);
    if (found !== undefined) return found;
    throw invalid(`${where}: no paragraph has the id ${JSON.stringify(passage.ref)}, which a passage refers to`);
  });
}

/** So many of a list, drawn without replacement, always the same ones. */
function draw<T>(list: readonly T[], count: number): T[] {
  const rest = [...list];
  const random = createRandom(1);
  return Array.from({ length: count }, (_, taken) => {
    const at = taken + random.integer(rest.length - taken);
    const [mine, other] = [rest[at], rest[taken]];
    if (mine === undefined || other === undefined) throw new RangeError('nothing left to draw');
    rest[at] = other;
    rest[taken] = mine;
    return mine;
  });
}

function invalid(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('INVALID_DATA', message, { cause });
}
