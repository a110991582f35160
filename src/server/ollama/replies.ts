/** Answers as Ollama's clients read them: a line per piece, and a last one with counts and times in nanoseconds. */
import type { AnswerResult } from '@block-attention/engine/internal/engine';
import type { DocumentAnswer } from '../../rag/index.ts';
import { accountOf, finishReason, usageOf } from '../replies/accounting.ts';
import type { GenerationEvent } from '../replies/generation.ts';
import { type ReplyPart, type ReplyReader, readWhole, type WholeReply, wholeReply } from '../replies/reply.ts';
import type { AnswerEnd, Answering } from '../replies/run-request.ts';

/** What a line of an answer holds. */
export interface OllamaWords {
  readonly content: string;
  readonly thinking?: string;
  readonly tool_calls?: readonly { readonly function: { readonly name: string; readonly arguments: unknown } }[];
}

const perMs = 1e6;

/**
 * @param said words as the route has them
 * @param reader of the answer's text
 * @param told what goes beside the account
 */
export function ollamaReplies(
  model: string,
  said: (words: OllamaWords) => object,
  reader: ReplyReader,
  told: (documents: DocumentAnswer | undefined) => object,
): Pick<Answering, 'whole' | 'chunks'> {
  const head = () => ({ model, created_at: new Date().toISOString() });
  const last = (end: AnswerEnd) => ({
    done: true,
    done_reason: end.results[0] ? finishReason(end.results[0]) : 'stop',
    ...countsOf(end),
    block_attention: accountOf(end.results, end.admitted),
    ...told(end.documents),
  });
  const calls: ReplyPart[] = [];
  const line = (words: Partial<OllamaWords>) => ({ ...head(), ...said({ content: '', ...words }), done: false });
  const linesOf = (parts: readonly ReplyPart[]) =>
    parts.flatMap((part) => {
      // A call has its arguments as an object, so it is told when it is whole.
      if (part.type === 'call') calls.push(part);
      if (part.type === 'call' || part.text === '') return [];
      return [line(part.type === 'content' ? { content: part.text } : { thinking: part.text })];
    });
  return {
    whole: (choices, admitted, documents) => {
      const results = choices.map(({ result }) => result);
      const reply = wholeReply(readWhole(reader, results[0]?.text ?? ''));
      const { content, reasoning } = reply;
      const words = { content, ...(reasoning !== '' && { thinking: reasoning }), ...callsOf(reply) };
      return { ...head(), ...said(words), ...last({ results, admitted, documents }) };
    },
    chunks: (event: GenerationEvent, end) => {
      if (event.type === 'piece') return linesOf(reader.push(event.text));
      const rest = linesOf(reader.end());
      if (calls.length > 0) rest.push(line(callsOf(wholeReply(calls))));
      return end ? [...rest, { ...head(), ...said({ content: '' }), ...last(end) }] : rest;
    },
  };
}

function callsOf({ calls }: WholeReply): Pick<OllamaWords, 'tool_calls'> {
  if (calls.length === 0) return {};
  return { tool_calls: calls.map(({ name, arguments: text }) => ({ function: { name, arguments: objectOf(text) } })) };
}

/** Arguments that the token limit cut off are not JSON. */
function objectOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function countsOf({ results, admitted }: AnswerEnd): object {
  const [first] = results;
  if (first === undefined) return {};
  const { decodeMs } = first.timings;
  return {
    total_duration: Math.round((admitted.queueMs + first.ttftMs + decodeMs) * perMs),
    load_duration: 0,
    prompt_eval_count: usageOf(results).prompt_tokens,
    prompt_eval_duration: Math.round(promptMs(first) * perMs),
    eval_count: first.tokens.answer,
    eval_duration: Math.round(decodeMs * perMs),
  };
}

function promptMs({ timings }: AnswerResult): number {
  return timings.acquireMs + timings.prefillMs;
}
