/** From a request to its tokens: what goes into context blocks, what into the final block, and how long it may get. */
import { BlockAttentionError } from '../../errors.ts';
import {
  askShort,
  beginAnswer,
  beginMarkup,
  block,
  markup,
  openAnswer,
  planAgent,
  planRag,
  promptLayout,
  requireText,
  splitQuestion,
  splitSources,
  type TokenizedPlan,
  tokenizePlanAside,
  turnsIntoFinal,
} from '../../prompt/index.ts';
import type { BlockRequest } from '../../store/index.ts';
import type { EngineParts } from '../engine.ts';
import { tailsOf } from '../policy/neighbour-tokens.ts';
import type { AnswerRequest, Mode, PlanReport } from '../types.ts';
import { blockPolicy, chooseMode } from '../verdict/choose-mode.ts';
import { checkBytes } from './check-bytes.ts';

const defaultMaxTokens = 200;
/** How many contexts long a prompt may be that is only planned: people want to see by how much it is too long. */
const plannedContexts = 8;

/**
 * @param mode what will run: full attention reads the prompt as one, so a question is not cut for it
 * @param most tokens of prompts that are of any use: what surely has more is refused before anything reads it. Defaults to
 *   the context
 * @throws EMPTY_QUESTION, INVALID_PASSAGES, INVALID_ARGUMENT, INVALID_TEMPLATE, CONTEXT_OVERFLOW
 */
export async function makePlan(
  parts: EngineParts,
  request: AnswerRequest,
  mode: Mode,
  most = parts.contextTokens,
): Promise<TokenizedPlan> {
  const { system, greeting, passages, history, question, answerStart = '', variables } = request;
  if (request.raw !== undefined) return rawPlan(parts, request.raw, most);
  checkBytes(parts.tokenizer, textsOf(request), most);
  const segment = oneOf('segment', request.segment ?? 'turns', ['turns', 'text']);
  const historyIn = oneOf('historyIn', request.historyIn ?? 'blocks', ['blocks', 'final']);
  const style = oneOf('answerStyle', request.answerStyle ?? 'free', ['free', 'short']);
  const layout = promptLayout(parts.template, parts.tokenizer.chatTemplate !== undefined);
  const asked = style === 'short' ? askShort(question, layout) : question;
  const { agent, answerMarkup = [] } = request;
  let plan = agent
    ? planAgent({ ...agent, passages, template: parts.template, variables }, parts.tokenizer)
    : planRag(
        { template: parts.template, system, greeting, passages, history, question: asked, variables },
        parts.tokenizer,
      );
  if (segment === 'text' && mode === 'block' && agent === undefined) {
    const sourced = splitSources(plan);
    plan = sourced.inFinal ? sourced.plan : await splitQuestion(sourced.plan, asked.trim());
  }
  if (historyIn === 'final') plan = turnsIntoFinal(plan);
  if (style === 'short') plan = openAnswer(plan, layout);
  if (requireText(answerStart, 'answerStart') !== '') plan = beginAnswer(plan, answerStart);
  if (answerMarkup.length > 0) plan = beginMarkup(plan, answerMarkup);
  return tokenizePlanAside(plan, parts.tokenizer, parts.memo, { maxTokens: most });
}

/** A prompt as it is: one block. @throws INVALID_ARGUMENT for a token that the vocabulary does not have; CONTEXT_OVERFLOW */
async function rawPlan(
  { tokenizer, memo }: EngineParts,
  raw: string | readonly number[],
  most: number,
): Promise<TokenizedPlan> {
  if (typeof raw === 'string') {
    checkBytes(tokenizer, [raw], most);
    const prompt = block('final', 'final', [markup(requireText(raw, 'the prompt'))]);
    return tokenizePlanAside({ blocks: [prompt], bos: 'auto' }, tokenizer, memo, { maxTokens: most });
  }
  const strange = raw.find((token) => !Number.isInteger(token) || token < 0 || token >= tokenizer.size);
  if (strange !== undefined || raw.length === 0) {
    const reason = strange === undefined ? 'the prompt has no tokens' : `the prompt has the token ${strange}`;
    throw new BlockAttentionError('INVALID_ARGUMENT', `${reason}: give ids of 0 to ${tokenizer.size - 1}`);
  }
  const id = 'final';
  return { blocks: [{ id, kind: 'final', segments: [], tokens: Int32Array.from(raw) }], bos: 'never' };
}

/** What is not text is for others to refuse. */
function textsOf({ system, greeting, passages, history = [], question, answerStart, agent }: AnswerRequest): unknown[] {
  const given = agent
    ? [JSON.stringify(agent.tools), ...agent.messages.map(({ content }) => content), answerStart]
    : [system, greeting, question, answerStart];
  for (const passage of passages) given.push(passage?.title, passage?.text);
  for (const turn of agent ? [] : history) given.push(turn?.user, turn?.assistant);
  return given;
}

export function splitPlan(plan: TokenizedPlan) {
  const context = plan.blocks.slice(0, -1).map((block) => block.tokens);
  const question = plan.blocks.at(-1)?.tokens ?? new Int32Array(0);
  return { context, question, contextTokens: context.reduce((sum, tokens) => sum + tokens.length, 0) };
}

export function joinTokens(plan: TokenizedPlan): Int32Array {
  return Int32Array.from(plan.blocks.flatMap((block) => Array.from(block.tokens)));
}

/** Tokens the answer may have. @throws INVALID_ARGUMENT, CONTEXT_OVERFLOW */
export function answerLimit(
  { contextTokens, model }: EngineParts,
  prompt: number,
  { maxTokens: wanted, fitAnswer = false }: Pick<AnswerRequest, 'maxTokens' | 'fitAnswer'>,
): number {
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `maxTokens is ${wanted}: give a positive integer`);
  }
  const least = fitAnswer ? 1 : (wanted ?? 1);
  const needed = prompt + least;
  if (needed > contextTokens) {
    const trained = model.hyperParameters.trainedContext;
    const remedy =
      contextTokens < trained
        ? `raise contextTokens (the model was trained for ${trained})`
        : 'pass fewer or shorter passages';
    throw new BlockAttentionError(
      'CONTEXT_OVERFLOW',
      `the prompt has ${prompt} tokens and the answer may have ${least}, the context holds ${contextTokens}: ${needed - contextTokens} too many; ${remedy}`,
    );
  }
  return Math.min(wanted ?? defaultMaxTokens, contextTokens - prompt);
}

/** What a request would be cut into, and what of it is there. @throws what makePlan() does */
export async function reportPlan(parts: EngineParts, request: AnswerRequest): Promise<PlanReport> {
  const { source, store, modes } = parts;
  const { mode } = chooseMode(request, modes);
  const { blocks } = await makePlan(parts, request, mode, plannedContexts * parts.contextTokens);
  const last = blocks.length - 1;
  const context = blocks.slice(0, -1).map(({ tokens }) => tokens);
  const policy = blockPolicy(request, modes);
  const tails = await tailsOf(parts, policy, blocks.slice(0, -1));
  const requests = source.requests(context, { tenant: request.tenant, policy, tails });
  const tierOf = async (asked: BlockRequest | undefined) => asked && store.has(asked.key);
  const reports = await Promise.all(
    blocks.map(async ({ id, kind, tokens }, index) => ({
      id,
      kind,
      tokens: tokens.length,
      tier: await tierOf(requests[index]),
    })),
  );
  const questionTokens = reports[last]?.tokens ?? 0;
  return {
    contextTokens: reports.reduce((sum, { tokens }) => sum + tokens, 0) - questionTokens,
    questionTokens,
    kvBytes: blocks.slice(0, -1).reduce((sum, { tokens }) => sum + source.layout.blockBytes(tokens.length), 0),
    blocks: reports,
  };
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw new BlockAttentionError('INVALID_ARGUMENT', `${name} is ${String(value)}: use ${allowed.join(' or ')}`);
}
