/** Where `verify --documents` gets its questions: from a folder or an index, kept in a file that can be edited. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Question } from '@block-attention/engine/eval';
import type { Engine } from '@block-attention/engine/internal/engine';
import { cacheFolder, replaceFile } from '@block-attention/engine/internal/platform';
import type { Passage } from '@block-attention/engine/internal/prompt';
import { loadEval, loadRag } from '../lazy.ts';
import { invalid } from '../terminal/errors.ts';
import { formatCount } from '../terminal/format.ts';
import type { CliIo } from '../terminal/io.ts';
import type { Output } from '../terminal/output.ts';
import { type IndexFlags, openDocuments } from './index-options.ts';

export interface DocumentFlags extends IndexFlags {
  /** A folder of documents, the folder of an index, or `index` for the one of `--index`. */
  readonly documents: string;
  /** File of the questions. Defaults to one in the cache folder. */
  readonly questions?: string;
  readonly passages?: number;
  readonly limit?: number;
}

export interface DocumentQuestions {
  readonly questions: readonly Question[];
  readonly path: string;
  /** Whether they were made now. */
  readonly made: boolean;
}

/** Share of the time that the model may take to write questions. */
const writingShare = 0.15;

/** @throws INVALID_ARGUMENT for documents without text; INDEX_NOT_FOUND; INVALID_DATA for the file of questions */
export async function questionsOf(
  flags: DocumentFlags,
  { io, output, engine, minutes }: { io: CliIo; output: Output; engine: Engine; minutes: number },
): Promise<DocumentQuestions> {
  const { documentQuestions, readQuestions } = await loadEval();
  const { limit, passages: perQuestion } = flags;
  if (flags.questions !== undefined && (await isThere(flags.questions))) {
    const questions = await readQuestions(flags.questions, { limit, passages: perQuestion });
    return { questions, path: flags.questions, made: false };
  }
  output.progress.show({ label: 'reading documents' });
  const passages = await passagesIn(flags, { io, output, engine });
  if (passages.length === 0) throw invalid(`--documents ${flags.documents} holds no text to ask about: name another`);
  const path = flags.questions ?? defaultPath(passages, engine, perQuestion, io);
  if (flags.questions === undefined && (await isThere(path))) {
    return { questions: await readQuestions(path, { limit }), path, made: false };
  }
  const until = AbortSignal.timeout(Math.max(1, Math.round(minutes * 60_000 * writingShare)));
  const questions = await documentQuestions(passages, {
    count: limit,
    passages: perQuestion,
    engine,
    until,
    signal: io.signal,
    onProgress: ({ done, total }) =>
      output.progress.show({
        label: 'writing questions',
        done,
        total,
        detail: `${formatCount(done)} of ${formatCount(total)}`,
      }),
  });
  if (questions.length === 0)
    throw invalid(`--documents ${flags.documents} gives no question: name documents with words`);
  await keep(path, `${questions.map((question) => JSON.stringify(question)).join('\n')}\n`);
  return { questions, path, made: true };
}

/** The passages of a folder of documents, or of an index. @throws INDEX_NOT_FOUND, and what reading them throws */
export async function passagesIn(
  flags: DocumentFlags,
  { io, output, engine }: { io: CliIo; output: Output; engine: Engine },
): Promise<Passage[]> {
  const { describeIndex, openIndex, passageOf } = await loadRag();
  const passages: Passage[] = [];
  const named = flags.documents === 'index' && !(await isThere('index'));
  if (named || (await describeIndex(flags.documents)) !== undefined) {
    const index = named ? flags.index : flags.documents;
    await using opened = await openDocuments(
      { by: 'text', ...(index !== undefined && { index }) },
      { io, output, create: false },
    );
    for await (const chunk of opened.index.chunks()) passages.push(passageOf(chunk));
    return passages;
  }
  const directory = await mkdtemp(join(tmpdir(), 'block-attention-documents-'));
  try {
    await using index = await openIndex({ directory });
    await index.update(flags.documents, { engine, encode: false, signal: io.signal });
    for await (const chunk of index.chunks()) passages.push(passageOf(chunk));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return passages;
}

/** One file per documents, model and number of passages: what changes makes new questions. */
function defaultPath(passages: readonly Passage[], engine: Engine, perQuestion: number | undefined, io: CliIo): string {
  const texts = passages.map(({ title, text, previous }) => [title, text, ...(previous ? [previous] : [])]);
  const about = JSON.stringify([texts, resolve(engine.model.path), perQuestion ?? null]);
  const name = createHash('sha256').update(about).digest('hex').slice(0, 16);
  return join(cacheFolder(io.env), 'questions', `${name}.jsonl`);
}

async function keep(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, text);
  } catch (error) {
    throw invalid(`${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
