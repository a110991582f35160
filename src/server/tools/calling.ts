/**
 * Answers that may call tools. The model writes freely until it turns to a call; from there on a grammar shapes what it
 * writes, so that a call names a tool and its arguments satisfy the tool's schema, whatever the model. The second part
 * goes on from the states of the first where the engine keeps them.
 */
import type { AnswerRequest, AnswerResult, AnswerStream, Engine } from '@block-attention/engine/internal/engine';
import { markup, plain, type Segment } from '@block-attention/engine/internal/prompt';
import type { CallFormat, NamedCalls } from './formats.ts';
import { callId } from './reader.ts';

export interface Calling {
  readonly format: CallFormat;
  readonly grammars: CallGrammars;
  /** Whether a tool must be called. */
  readonly required: boolean;
  /** Whether more than one call may be made in an answer. */
  readonly several: boolean;
  /** Stands in the text where calls begin, and nowhere else. */
  readonly mark: string;
}

/** GBNF of what the calls may say. */
export interface CallGrammars {
  /** Of calls that are objects: of all, behind what begins them. */
  readonly calls: string;
  /** Of calls that begin with a name: of each tool's arguments, by its name. */
  readonly arguments: ReadonlyMap<string, string>;
}

/** An engine whose answers may call tools. Its answers are computed as they are iterated. */
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

type Answering = Pick<Engine, 'answer'>;

async function* phases(
  engine: Answering,
  request: AnswerRequest,
  calling: Calling,
): AsyncGenerator<string, AnswerResult> {
  const { format, required, mark } = calling;
  const free = required ? undefined : yield* words(engine, request, format);
  if (free && !free.turned) return free.result;
  const { said = '', result: before } = free ?? {};
  if (before && leftOf(request, before).maxTokens < 1) return { ...before, text: said, stopReason: 'length' };
  yield mark;
  const call = format.calls.kind === 'object' ? objects : named;
  return yield* call(engine, { ...request, onPromptLogits: before ? undefined : request.onPromptLogits }, calling, {
    said,
    before,
  });
}

/** What the model says before it calls, and whether it turned to that. */
async function* words(
  engine: Answering,
  request: AnswerRequest,
  format: CallFormat,
): AsyncGenerator<string, { readonly said: string; readonly result: AnswerResult; readonly turned: boolean }> {
  const stop = [...(request.stop ?? []), ...format.triggers];
  let said = '';
  let whole: AnswerResult | undefined;
  for (;;) {
    const left = whole && leftOf(request, whole);
    if (whole && left && left.maxTokens < 1)
      return { said, result: { ...whole, text: said, stopReason: 'length' }, turned: false };
    const stream = engine.answer({ ...request, ...left, ...behind(request, format, said), stop, controlText: true });
    for await (const piece of stream) {
      said += piece;
      yield piece;
    }
    const result = await stream.result;
    whole = whole ? joined(whole, result, said) : result;
    const at = result.stopText ?? '';
    const triggered = result.stopReason === 'stop' && format.triggers.includes(at);
    if (!triggered || (request.stop ?? []).includes(at))
      return { said, result: { ...whole, text: said }, turned: false };
    if (format.turns(said)) return { said, result: whole, turned: true };
    // Words that look like a call: the answer goes on.
    said += at;
    yield at;
  }
}

interface Begun {
  readonly said: string;
  readonly before: AnswerResult | undefined;
}

/** Calls that are objects: one grammar for all of them. */
async function* objects(
  engine: Answering,
  request: AnswerRequest,
  { format, grammars, mark }: Calling,
  { said, before }: Begun,
): AsyncGenerator<string, AnswerResult> {
  const open = format.calls.kind === 'object' ? format.calls.open : '';
  const begun = behind(request, format, said);
  const stream = engine.answer({
    ...request,
    ...(before && leftOf(request, before)),
    ...begun,
    answerMarkup: [...(begun.answerMarkup ?? []), markup(open)],
    stop: [],
    grammar: grammars.calls,
  });
  let text = said + mark;
  for await (const piece of stream) {
    text += piece;
    yield piece;
  }
  const result = await stream.result;
  return before ? joined(before, result, text) : { ...result, text };
}

/** Calls that begin with a name, told as the objects they stand for. */
async function* named(
  engine: Answering,
  request: AnswerRequest,
  { format, grammars, several, mark }: Calling,
  { said, before }: Begun,
): AsyncGenerator<string, AnswerResult> {
  const { open, end, middle, next } = format.calls as NamedCalls;
  const begun = behind(request, format, said);
  const given: Segment[] = [...(begun.answerMarkup ?? []), markup(open(said))];
  const names = [...grammars.arguments.keys()].map((name) => JSON.stringify(name + end)).join(' | ');
  let text = said + mark;
  let whole = before;
  const go = (more: Partial<AnswerRequest>) => {
    const left = whole ? leftOf(request, whole) : {};
    return engine.answer({ ...request, ...left, ...begun, answerMarkup: [...given], stop: [], ...more });
  };
  const add = (result: AnswerResult) => {
    whole = whole ? joined(whole, result, text) : { ...result, text };
    return whole;
  };
  for (;;) {
    const naming = await go({ grammar: `root ::= ${names}`, stop: [end] }).result;
    const sum = add(naming);
    if (naming.stopReason !== 'stop' || leftOf(request, sum).maxTokens < 1) return { ...sum, stopReason: cut(naming) };
    const name = naming.text;
    given.push(plain(name), markup(middle(callId())));
    const head = `{"name": ${JSON.stringify(name)}, "arguments": `;
    text += head;
    yield head;
    const telling = go({ grammar: grammars.arguments.get(name), onPromptLogits: undefined });
    let values = '';
    for await (const piece of telling) {
      values += piece;
      yield piece;
    }
    const told = await telling.result;
    text += values;
    if (told.stopReason === 'end') {
      text += '}';
      yield '}';
    }
    const after = add(told);
    given.push(plain(values));
    if (next === undefined || !several || told.stopReason !== 'end' || leftOf(request, after).maxTokens < 1)
      return after;
    const more = await go({ maxTokens: 1, controlText: true, grammar: undefined, onPromptLogits: undefined }).result;
    const counted = add({ ...more, stopReason: 'end' });
    if (more.text !== next || leftOf(request, counted).maxTokens < 1) return counted;
    given.push(markup(next));
  }
}

/** Why an answer ends that was to name a tool. */
function cut({ stopReason }: AnswerResult): AnswerResult['stopReason'] {
  return stopReason === 'aborted' ? 'aborted' : 'length';
}

/** The answer so far, for the model to go on with. In channels the text has markup of its own. */
function behind(
  { answerStart, answerMarkup = [] }: AnswerRequest,
  { name }: CallFormat,
  said: string,
): Pick<AnswerRequest, 'answerStart' | 'answerMarkup'> {
  if (name === 'harmony')
    return { answerStart, answerMarkup: said === '' ? answerMarkup : [...answerMarkup, markup(said)] };
  const start = (answerStart ?? '') + said;
  return { answerStart: start === '' ? undefined : start, answerMarkup };
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
