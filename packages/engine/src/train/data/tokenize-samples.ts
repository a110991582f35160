/**
 * Samples to token sequences, block by block exactly as in serving: the same plans, the same tokenizer calls. The
 * response is the answer as it reads on after the prompt, and the token that ends a turn.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import {
  type BlockPlan,
  blockText,
  type PromptTemplate,
  planDialogue,
  planRag,
  promptText,
  tokenizePlan,
} from '../../prompt/index.ts';
import type { FinalBlock } from '../types.ts';
import type { QuestionAnswer, TrainingSample } from './training-data.ts';

export interface TokenizedSample {
  /** Token ids of the blocks; the last one is the final block with the response. */
  readonly blocks: readonly Int32Array[];
  readonly responseTokens: number;
  /** Final blocks of further questions on the same context. */
  readonly branches: readonly FinalBlock[];
}

/** @throws INVALID_DATA naming the sample when it cannot become a prompt */
export function createSampleTokenizer(
  tokenizer: Tokenizer,
  template: PromptTemplate,
): (sample: TrainingSample) => TokenizedSample {
  const end = endOfTurn(tokenizer, template);
  return (sample) => {
    try {
      return tokenizeSample(sample, tokenizer, template, end);
    } catch (error) {
      if (!BlockAttentionError.isInstance(error)) throw error;
      throw new BlockAttentionError('INVALID_DATA', `${sample.where}: ${error.message}`, { cause: error });
    }
  };
}

function tokenizeSample(
  sample: TrainingSample,
  tokenizer: Tokenizer,
  template: PromptTemplate,
  end: number | undefined,
): TokenizedSample {
  const [first, ...others] = sample.questions.map((asked) => tokenizeQuestion(sample, asked, tokenizer, template, end));
  if (first === undefined) throw new BlockAttentionError('INVALID_DATA', 'it asks nothing: give it a question');
  for (const { context } of others) {
    const same = context.length === first.context.length && context.every((block, i) => equal(block, first.context[i]));
    if (!same)
      throw new BlockAttentionError('INVALID_DATA', 'the template puts questions before passages: give one a line');
  }
  const { tokens, responseTokens } = first.final;
  return { blocks: [...first.context, tokens], responseTokens, branches: others.map(({ final }) => final) };
}

function equal(left: Int32Array, right: Int32Array | undefined): boolean {
  return left.length === right?.length && left.every((token, i) => token === right[i]);
}

function tokenizeQuestion(
  { system, passages, history }: TrainingSample,
  { question, answer }: QuestionAnswer,
  tokenizer: Tokenizer,
  template: PromptTemplate,
  end: number | undefined,
): { readonly context: readonly Int32Array[]; readonly final: FinalBlock } {
  const plan = planRag({ system, passages, history, question, template }, tokenizer);
  const prompt = tokenizePlan(plan, tokenizer).blocks.map(({ tokens }) => tokens);
  const final = prompt.at(-1) ?? new Int32Array(0);
  const response = [...answerTokens(plan, final, answer, tokenizer), ...(end === undefined ? [] : [end])];
  return {
    context: prompt.slice(0, -1),
    final: { tokens: Int32Array.from([...final, ...response]), responseTokens: response.length },
  };
}

/** As tokenized together with the final block, when the prompt's tokens stay what they are; else by itself. */
function answerTokens(plan: BlockPlan, final: Int32Array, answer: string, tokenizer: Tokenizer): Int32Array {
  const last = plan.blocks.at(-1);
  if (last === undefined) return tokenizer.tokenize(answer, false);
  const spaced = /\s$/.test(blockText(last)) || /^\s/.test(answer) ? answer : ` ${answer}`;
  const segments = [...last.segments, { text: spaced, special: false }];
  const joined = tokenizePlan({ ...plan, blocks: [...plan.blocks.slice(0, -1), { ...last, segments }] }, tokenizer);
  const tokens = joined.blocks.at(-1)?.tokens ?? new Int32Array(0);
  const reads = final.every((token, index) => tokens[index] === token) && tokens.length > final.length;
  return reads ? tokens.slice(final.length) : tokenizer.tokenize(spaced, false);
}

/** What ends an assistant's message: what the template writes after one, if that ends a generation; else EOS. */
function endOfTurn(tokenizer: Tokenizer, template: PromptTemplate): number | undefined {
  const mark = 'wxyzzyw';
  const turns = [{ user: 'a', assistant: mark }];
  const text = promptText(planDialogue({ turns, question: 'b', template }, tokenizer));
  const after = tokenizer.tokenize(text.slice(text.indexOf(mark) + mark.length), true);
  const [first] = after.filter((token) => tokenizer.isControl(token));
  return first !== undefined && tokenizer.isEndOfGeneration(first) ? first : tokenizer.eos;
}
