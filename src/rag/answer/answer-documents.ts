/**
 * A question over an index: find passages, answer over them as blocks in the order of the search, cite. Where the policy
 * chooses among passages, excerpts of them stand for election, too.
 */
import type {
  AnswerRequest,
  AnswerResult,
  AnswerStream,
  Engine,
  KeyOptions,
  ModeChoice,
} from '@block-attention/engine/internal/engine';
import { choosesPassages } from '@block-attention/engine/internal/policy';
import { type DocumentIndex, wordsOf } from '../catalog/document-index.ts';
import type { DocumentsState } from '../catalog/documents-state.ts';
import { wantsNeighbours } from '../catalog/neighbours.ts';
import { type Chunk, passageOf, type SearchHit, type SearchOptions } from '../types.ts';
import { type Citation, judgeAnswer } from './cite.ts';
import { checkExcerpts, defaultExcerpts, excerptsOf, isExcerptOf } from './excerpts.ts';
import { fitContext } from './fit-context.ts';
import { defaultMinCoverage, mayAnswer, withoutAnswer } from './not-in-documents.ts';

export interface DocumentQuestion extends Omit<AnswerRequest, 'passages'> {
  readonly index: DocumentIndex;
  readonly engine: Engine;
  /**
   * How passages are found. Of those, as many are used as the context has room for beside question and answer. `top`
   * defaults to 8, and to 5 where the policy chooses among passages (`select:K`).
   */
  readonly retrieval?: SearchOptions | undefined;
  /**
   * Share of the question's words, by rarity, that one of the best passages must have; else the model is not asked.
   * 0 always asks. Defaults to 0.4.
   */
  readonly minCoverage?: number | undefined;
  /**
   * Sentences and table rows of what was found that are offered as passages of their own where the policy chooses
   * (`select:K`): those that share most words with the question. 0 offers none. Defaults to 3, at most 32.
   */
  readonly excerpts?: number | undefined;
  /** How far the documents are read, where the caller knows. Defaults to what the index knows. */
  readonly documents?: DocumentsState | undefined;
}

/**
 * Passages that are looked for by default where the policy chooses among them: the question is read behind each. With
 * excerpts beside them as many questions were answered from five as from eight (docs/log/quality.md).
 */
const chosenFrom = 5;

export interface DocumentAnswer extends AnswerResult {
  readonly citations: readonly Citation[];
  /** What was found and read, in the order of the blocks; excerpts, whose blocks follow, are of these. */
  readonly hits: readonly SearchHit[];
  /** Found passages and earlier turns for which the context had no room: the last of those, the oldest of these. */
  readonly leftOut: { readonly passages: number; readonly turns: number };
  /** Whether the model was asked: it is not when nothing that was found speaks of the question. */
  readonly asked: boolean;
  /** False when the documents do not answer the question: by what was found, or by what the model said. */
  readonly inDocuments: boolean;
  /** How far the documents were read when they were searched: unless `ready`, more may be found later. */
  readonly documents: DocumentsState;
  /** Time of the search, in ms; part of `ttftMs`. */
  readonly searchMs: number;
}

export interface DocumentAnswerStream extends AsyncIterable<string> {
  /** Settles when the answer is complete, also if nobody iterates. */
  readonly result: Promise<DocumentAnswer>;
}

/**
 * Answers from the documents of an index. Errors surface in the iteration and in `result`.
 * @throws EMPTY_QUESTION, INVALID_ARGUMENT, CONTEXT_OVERFLOW, ABORTED and what engine.answer() throws
 */
export function answerFromDocuments(request: DocumentQuestion): DocumentAnswerStream {
  const prepared = prepare(request);
  const result = prepared.then(({ finish }) => finish());
  // Whoever only iterates learns of failures there.
  result.catch(() => undefined);
  async function* pieces(): AsyncGenerator<string> {
    const { stream } = await prepared;
    yield* stream;
    await result;
  }
  return { [Symbol.asyncIterator]: pieces, result };
}

interface Prepared {
  readonly stream: AsyncIterable<string>;
  readonly finish: () => Promise<DocumentAnswer>;
}

async function prepare(request: DocumentQuestion): Promise<Prepared> {
  const { engine, ...question } = request;
  const { answer: asked, finish, unasked } = await retrieve(request);
  if (asked === undefined) return { stream: only(unasked.text), finish: () => Promise.resolve(finish(unasked)) };
  if (engine.chooseMode(question).mode === 'block')
    await asked.note({ tenant: request.tenant, policy: question.policy });
  const stream: AnswerStream = engine.answer(asked.request);
  return { stream, finish: async () => finish(await stream.result) };
}

/** What was found for a question, fitted to the context: all that is left to do is to answer, whoever does it. */
export interface Retrieved {
  /** What to ask the engine; undefined when nothing that was found speaks of the question. */
  readonly answer:
    | {
        readonly request: AnswerRequest;
        /** Records the blocks that the answer is about to make. For every way in which it may be encoded. */
        readonly note: (options: KeyOptions) => Promise<void>;
      }
    | undefined;
  /** What was found, in the order of the blocks. */
  readonly hits: readonly SearchHit[];
  /** What the prompt's passages are made of: what was found, and excerpts of it. */
  readonly chunks: readonly Chunk[];
  /** The answer without the model. */
  readonly unasked: AnswerResult;
  readonly finish: (result: AnswerResult) => DocumentAnswer;
}

/** The first half of an answer from documents. @throws EMPTY_QUESTION, INVALID_ARGUMENT, ABORTED */
export async function retrieve(request: DocumentQuestion): Promise<Retrieved> {
  const started = performance.now();
  const { index, engine, retrieval, minCoverage = defaultMinCoverage, documents: known, ...given } = request;
  const { excerpts: wanted = defaultExcerpts, ...rest } = given;
  const most = checkExcerpts(wanted);
  const { question, history = [], signal } = rest;
  const previous = history.at(-1)?.user;
  const documents = known ?? (await index.documents());
  const choice = engine.chooseMode(rest);
  const choosing = choice.mode === 'block' && choice.policy !== null && choosesPassages(choice.policy);
  const top = retrieval?.top ?? (choosing ? chosenFrom : undefined);
  const found = await find(index, question, previous, { ...retrieval, top, signal });
  const searchMs = performance.now() - started;
  const unasked = unaskedAnswer(withoutAnswer(documents), choice, searchMs);
  // A question that leans on the one before it names only a part of what it asks about.
  const speaks = mayAnswer(found, history.length > 0 ? minCoverage / 2 : minCoverage);
  // An agent may know otherwise, by its tools.
  if (!speaks && rest.agent === undefined) {
    const leftOut = { passages: 0, turns: 0 };
    const judged = { citations: [], hits: found, leftOut, inDocuments: false, documents, asked: false, searchMs };
    return { answer: undefined, hits: found, chunks: [], unasked, finish: (result) => ({ ...result, ...judged }) };
  }
  const read = speaks ? found : [];
  const excerpts = choosing ? excerptsOf(read, { question, words: wordsOf(index), most }) : [];
  // Excerpts come last: they are what goes first where there is no room.
  const fitted = read.length === 0 ? { hits: read, history } : await fitContext(engine, rest, [...read, ...excerpts]);
  const room = fitted.hits.slice(0, read.length);
  const behind = [rest, {}].some((options) => wantsNeighbours(engine, options));
  const hits = behind ? await hitsBehind(index, room) : room;
  const leftOut = { passages: read.length - hits.length, turns: history.length - fitted.history.length };
  const preparedMs = performance.now() - started;
  const chunks = [...hits, ...fitted.hits.slice(read.length)].map(({ chunk }) => chunk);
  return {
    chunks,
    answer: {
      request: { ...rest, history: fitted.history, passages: chunks.map(passageOf) },
      note: (options) => index.noteBlocks(engine, chunks, options),
    },
    hits,
    unasked,
    finish: (result) => {
      const judged = judgeAnswer({ answer: result.text, question, previous }, hitsRead(hits, result), wordsOf(index));
      return {
        ...result,
        ttftMs: result.ttftMs + preparedMs,
        ...judged,
        hits,
        leftOut,
        documents,
        asked: true,
        searchMs,
      };
    },
  };
}

/** The hits with what stands before each in its file. */
async function hitsBehind(index: DocumentIndex, hits: readonly SearchHit[]): Promise<SearchHit[]> {
  const chunks = await index.withPrevious(hits.map(({ chunk }) => chunk));
  return hits.map((hit, i) => ({ ...hit, chunk: chunks[i] ?? hit.chunk }));
}

/**
 * What an answer can rest on: where its policy chose among the passages, those that the model read, all or an excerpt.
 * A first passage is not chosen among: it is always read.
 */
function hitsRead(hits: readonly SearchHit[], { selection }: AnswerResult): readonly SearchHit[] {
  if (selection === null) return hits;
  const chosen = selection.passages;
  return hits.filter(({ chunk: { source } }) => {
    const own = chosen.filter(({ id }) => id === source || isExcerptOf(id, source));
    return own.some(({ read }) => read) || own.every(({ id }) => id !== source);
  });
}

/** In a conversation a question may need the one before it to be understood: both are searched for. */
async function find(
  index: DocumentIndex,
  question: string,
  previous: string | undefined,
  options: SearchOptions & { signal?: AbortSignal | undefined },
): Promise<SearchHit[]> {
  const own = await index.search(question, options);
  if (previous === undefined || mayAnswer(own, defaultMinCoverage)) return own;
  const together = await index.search(`${previous}\n${question}`, options);
  return together.length > 0 ? together : own;
}

async function* only(text: string): AsyncGenerator<string> {
  yield text;
}

function unaskedAnswer(text: string, { mode, requested, reason }: ModeChoice, searchMs: number): AnswerResult {
  return {
    text,
    mode,
    requested,
    reason,
    scores: [],
    policy: null,
    recomputed: { tokens: 0, ms: 0 },
    selection: null,
    stopReason: 'end',
    tokens: { context: 0, question: 0, answer: 0 },
    reusedTokens: 0,
    ttftMs: searchMs,
    timings: { planMs: 0, acquireMs: 0, prefillMs: 0, decodeMs: 0, decodeTokensPerSecond: 0 },
    blocks: [],
    flops: { spent: 0, encoding: 0, full: 0, spentLinear: 0, fullLinear: 0 },
  };
}
