/** What `ask` answers from: the index of documents, passages, or a JSON state. */
import type { AnswerRequest, AnswerResult, Engine } from '@block-attention/engine/internal/engine';
import type { Passage } from '@block-attention/engine/internal/prompt';
// Not through the door, which brings the index: answers over passages that are given need none.
import { createConversation, createDialogue } from '../../rag/answer/conversation.ts';
import type { Citation, DocumentsState, SearchHit } from '../../rag/index.ts';
import { planState } from '../../rag/state/plan-state.ts';
import type { AskOptions } from '../commands/ask.ts';
import { passagesOf } from '../runtime/open-engine.ts';
import { invalid } from '../terminal/errors.ts';
import { counted } from '../terminal/format.ts';
import type { CliIo } from '../terminal/io.ts';
import type { Output } from '../terminal/output.ts';
import { modelReference, openDocuments, retrievalOf } from './index-options.ts';
import { jsonOf } from './text-file.ts';

/** An answer; what concerns the index is there only for answers from it. */
export interface SourceResult extends AnswerResult {
  readonly citations?: readonly Citation[];
  readonly hits?: readonly SearchHit[];
  readonly inDocuments?: boolean;
  readonly asked?: boolean;
  readonly documents?: DocumentsState;
  readonly leftOut?: { readonly passages: number; readonly turns: number };
  readonly searchMs?: number;
}

/** Answers questions one after another, each with those before it. */
export interface Answerer {
  ask(
    question: string,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<string> & { readonly result: Promise<SourceResult> };
}

export interface AskSource extends AsyncDisposable {
  /** What is being done while the first token is awaited. */
  readonly label: string;
  /** Reference of the model to answer with. */
  readonly model: string;
  answerer(engine: Engine, request: Omit<AnswerRequest, 'passages' | 'question'>): Answerer;
}

/** @throws INDEX_NOT_FOUND, INVALID_PASSAGES, INVALID_ARGUMENT */
export async function openSource(
  options: AskOptions,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<AskSource> {
  if (options.passages !== undefined) return fixed(await passagesOf(options.passages, { io, output }), options, io);
  if (options.state !== undefined) return fixed(planState(await jsonOf('--state', options.state)), options, io);
  const retrieval = await retrievalOf(options);
  const opened = await openDocuments(options, { io, output, create: false });
  const { index } = opened;
  return {
    label: 'searching, and reading what was found',
    model: modelReference(options.model, io.env, index.model),
    answerer: (engine, request) =>
      createConversation({
        ...request,
        index,
        engine,
        retrieval,
        minCoverage: options.minCoverage,
        excerpts: options.excerpts,
      }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function fixed(passages: readonly Passage[], options: AskOptions, { env }: CliIo): AskSource {
  for (const [flag, value] of Object.entries({ '--top': options.top, '--path': options.path, '--by': options.by })) {
    if (value !== undefined) throw invalid(`${flag} is for the index: leave it out with --passages and --state`);
  }
  return {
    label: `reading ${counted(passages.length, 'passage')} and the question`,
    model: modelReference(options.model, env),
    answerer: (engine, request) => createDialogue({ ...request, engine, passages }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
