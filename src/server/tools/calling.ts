/**
 * Answers that may call tools. The model writes freely until it turns to a call; from there on a grammar shapes what it
 * writes, so that a call names a tool and its arguments satisfy the tool's schema, whatever the model. The second part
 * goes on from the states of the first where the engine keeps them.
 */
import type { AnswerRequest, AnswerResult, AnswerStream, Engine } from '../../engine/index.ts';
import type { CallFormat } from './formats.ts';

export interface Calling {
  readonly format: CallFormat;
  /** GBNF of the calls, behind what begins them. */
  readonly grammar: string;
  /** Whether a tool must be called. */
  readonly required: boolean;
  /** Stands in the text where calls begin, and nowhere else. */
  readonly mark: string;
}

/** An engine whose answers may call tools. */
export function callingEngine(engine: Pick<Engine, 'answer'>, calling: Calling): Pick<Engine, 'answer'> {
  return { answer: (request) => answer(engine, request, calling) };
}

function answer(engine: Pick<Engine, 'answer'>, request: AnswerRequest, calling: Calling): AnswerStream {
  let settle: (result: AnswerResult) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const result = new Promise<AnswerResult>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  result.catch(() => undefined);
  const run = phases(engine, request, calling);
  async function* pieces(): AsyncGenerator<string> {
    try {
      for (let next = await run.next(); ; next = await run.next()) {
        if (next.done) return settle(next.value);
        yield next.value;
      }
    } catch (error) {
      fail(error);
      throw error;
    } finally {
      await run.return(undefined as never);
    }
  }
  return { [Symbol.asyncIterator]: pieces, result };
}

async function* phases(
  engine: Pick<Engine, 'answer'>,
  request: AnswerRequest,
  { format, grammar, required, mark }: Calling,
): AsyncGenerator<string, AnswerResult> {
  const { triggers, atStart, open } = format;
  let said = '';
  let before: AnswerResult | undefined;
  if (!required) {
    const stop = [...(request.stop ?? []), ...triggers];
    const first = engine.answer({ ...request, stop, controlText: true });
    for await (const piece of first) {
      said += piece;
      yield piece;
    }
    before = await first.result;
    const turned = before.stopReason === 'stop' && triggers.includes(before.stopText ?? '');
    if (!turned || (request.stop ?? []).includes(before.stopText ?? '')) return before;
    const begins = said.trim() === '';
    const left = leftOf(request, before);
    if (atStart && !begins) {
      // Words that look like a call: the answer goes on.
      const rest = engine.answer({ ...request, answerStart: said + before.stopText, ...left });
      yield before.stopText ?? '';
      for await (const piece of rest) yield piece;
      const after = await rest.result;
      return joined(before, after, said + (before.stopText ?? '') + after.text);
    }
    if (left.maxTokens < 1) return { ...before, stopReason: 'length' };
  }
  yield mark;
  const left = before ? leftOf(request, before) : {};
  const second = engine.answer({
    ...request,
    ...left,
    stop: [],
    grammar,
    ...(said !== '' && { answerStart: said }),
    answerMarkup: open,
    onPromptLogits: before ? undefined : request.onPromptLogits,
  });
  let calls = '';
  for await (const piece of second) {
    calls += piece;
    yield piece;
  }
  const after = await second.result;
  const text = said + mark + calls;
  return before ? joined(before, after, text) : { ...after, text };
}

/** Tokens that are left for what follows. */
function leftOf(
  { maxTokens }: AnswerRequest,
  { tokens }: AnswerResult,
): { readonly maxTokens: number; readonly fitAnswer: true } {
  return { maxTokens: (maxTokens ?? defaultTokens) - tokens.answer, fitAnswer: true };
}

/** What the engine gives without a limit. */
const defaultTokens = 200;

/** Two parts as one answer: what led to its first token is the first's. */
function joined(first: AnswerResult, second: AnswerResult, text: string): AnswerResult {
  const answer = first.tokens.answer + second.tokens.answer;
  const decodeMs = first.timings.decodeMs + second.ttftMs + second.timings.decodeMs;
  const decodeTokensPerSecond = decodeMs > 0 ? (answer * 1000) / decodeMs : 0;
  const { stopReason, stopText } = second;
  return {
    ...first,
    text,
    stopReason,
    stopText,
    tokens: { ...first.tokens, answer },
    timings: { ...first.timings, decodeMs, decodeTokensPerSecond },
  };
}
