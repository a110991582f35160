/** A question over an index: find passages, answer over them as blocks in the order of the search, cite. */
import type { AnswerRequest, AnswerResult, AnswerStream, Engine, ModeChoice } from '../../engine/index.ts';
import type { DocumentIndex } from '../catalog/document-index.ts';
import { passageOf, type SearchHit, type SearchOptions } from '../types.ts';
import { type Citation, cite } from './cite.ts';
import { defaultMinCoverage, isGrounded, mayAnswer, notInDocuments } from './not-in-documents.ts';

export interface DocumentQuestion extends Omit<AnswerRequest, 'passages'> {
  readonly index: DocumentIndex;
  readonly engine: Engine;
  /** How passages are found. `maxTokens` defaults to what the context has room for. */
  readonly retrieval?: SearchOptions | undefined;
  /**
   * Share of the question's words, by rarity, that one of the best passages must have; else the model is not asked.
   * 0 always asks. Defaults to 0.4.
   */
  readonly minCoverage?: number | undefined;
}

export interface DocumentAnswer extends AnswerResult {
  readonly citations: readonly Citation[];
  /** What was found, in the order of the blocks. */
  readonly hits: readonly SearchHit[];
  /** False when the documents do not answer the question: by what was found, or by what the model said. */
  readonly inDocuments: boolean;
  /** Time of the search, in ms; part of `ttftMs`. */
  readonly searchMs: number;
}

export interface DocumentAnswerStream extends AsyncIterable<string> {
  /** Settles when the answer is complete, also if nobody iterates. */
  readonly result: Promise<DocumentAnswer>;
}

/** For what templates add around passages and question. */
const templateTokens = 160;
const titleTokens = 24;
const defaultAnswerTokens = 200;

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
  const started = performance.now();
  const { index, engine, retrieval, minCoverage = defaultMinCoverage, ...rest } = request;
  const { question, history = [], signal } = rest;
  const room = contextRoom(request);
  const hits = await find(index, question, history.at(-1)?.user, { maxTokens: room, ...retrieval, signal });
  const searchMs = performance.now() - started;
  // A question that leans on the one before it names only a part of what it asks about.
  if (!mayAnswer(hits, history.length > 0 ? minCoverage / 2 : minCoverage)) {
    const answer = { ...unasked(engine.chooseMode(rest), searchMs), citations: [], hits, inDocuments: false, searchMs };
    return { stream: only(notInDocuments), finish: () => Promise.resolve(answer) };
  }
  if (engine.chooseMode(rest).mode === 'block') {
    const found = hits.map(({ chunk }) => chunk);
    await index.noteBlocks(engine, found, request.tenant);
  }
  const stream: AnswerStream = engine.answer({ ...rest, passages: hits.map(({ chunk }) => passageOf(chunk)) });
  const finish = async (): Promise<DocumentAnswer> => {
    const result = await stream.result;
    const inDocuments = isGrounded(result.text, question, hits, index.words);
    const citations = inDocuments ? cite(result.text, question, hits, index.words) : [];
    return { ...result, ttftMs: result.ttftMs + searchMs, citations, hits, inDocuments, searchMs };
  };
  return { stream, finish };
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

/** Tokens that passages may take. */
function contextRoom({ engine, question, system = '', history = [], maxTokens, retrieval }: DocumentQuestion): number {
  const said = [question, system, ...history.flatMap(({ user, assistant }) => [user, assistant])].join('\n');
  const taken = engine.tokenizer.count(said) + templateTokens + (maxTokens ?? defaultAnswerTokens);
  const titles = titleTokens * (retrieval?.top ?? 8);
  // At least one passage of the usual length: if that is too much, the engine says by how much.
  return Math.max(256, engine.model.contextTokens - taken - titles);
}

async function* only(text: string): AsyncGenerator<string> {
  yield text;
}

function unasked({ mode, requested, reason }: ModeChoice, searchMs: number): AnswerResult {
  return {
    text: notInDocuments,
    mode,
    requested,
    reason,
    scores: [],
    answerScore: null,
    policy: null,
    recomputed: { tokens: 0, ms: 0 },
    stopReason: 'end',
    tokens: { context: 0, question: 0, answer: 0 },
    reusedTokens: 0,
    ttftMs: searchMs,
    timings: { planMs: 0, acquireMs: 0, prefillMs: 0, decodeMs: 0, decodeTokensPerSecond: 0 },
    blocks: [],
    flops: { spent: 0, encoding: 0, full: 0, spentLinear: 0, fullLinear: 0 },
  };
}
