/**
 * How well texts answer a question, by a cross-encoder in libllama: question and text are read together, and a head on top
 * gives one number (bge-reranker, jina-reranker, ms-marco-MiniLM and their kin).
 */
import { BlockAttentionError } from '../../errors.ts';
import { library } from '../ffi/library.ts';
import { PooledModel, type PooledModelOptions, poolings } from './pooled-model.ts';

export interface RerankingModel extends AsyncDisposable {
  readonly maxTokens: number;
  /**
   * A number for each text, higher for better ones, in the order of the texts; only those of one question compare. The
   * question may take half of what the model reads, and what is too long of either is cut off.
   * @throws COMPUTE_FAILED, DISPOSED
   */
  score(question: string, text: string): Promise<number>;
}

interface Marks {
  /** In front of everything. */
  readonly start: readonly number[];
  readonly between: readonly number[];
  readonly end: readonly number[];
}

/** @throws MODEL_NOT_FOUND, MODEL_INVALID; MODEL_UNSUPPORTED for models that do not rank; INVALID_ARGUMENT for numbers out of range */
export async function openRerankingModel(path: string, options: PooledModelOptions): Promise<RerankingModel> {
  const model = await PooledModel.open(path, options, poolings.mean);
  const marks = marksOf(model);
  const refusal =
    model.pooling !== poolings.rank
      ? 'has no head that ranks'
      : marks === undefined
        ? 'ranks by a prompt of its own (a decoder), which is not supported'
        : undefined;
  if (refusal !== undefined || marks === undefined) {
    await model[Symbol.asyncDispose]();
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path} ${refusal}: use a reranker, such as bge-reranker-v2-m3`,
    );
  }
  const room = model.maxTokens - marks.start.length - marks.between.length - marks.end.length;
  return {
    maxTokens: model.maxTokens,
    async score(question, text) {
      const asked = model.tokenize(question, false).subarray(0, Math.floor(room / 2));
      const read = model.tokenize(text, false).subarray(0, room - asked.length);
      const tokens = Int32Array.from([...marks.start, ...asked, ...marks.between, ...read, ...marks.end]);
      const [score] = await model.run(tokens, 1);
      if (score !== undefined && Number.isFinite(score)) return score;
      throw new BlockAttentionError('COMPUTE_FAILED', `a text has rank ${score}: the model does not work`);
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/**
 * Pairs as encoders are trained on them: `[CLS] question [SEP] text [SEP]` of BERT, `<s> question </s></s> text </s>` of
 * RoBERTa. @returns undefined for vocabularies that have no mark to stand between
 */
function marksOf({ model }: PooledModel): Marks | undefined {
  const { llama } = library();
  const token = (name: string) =>
    (llama.func(`int32_t llama_vocab_${name}(void *vocab)`) as (vocab: bigint) => number)(model.vocab);
  const adds = (name: string) =>
    (llama.func(`bool llama_vocab_get_add_${name}(void *vocab)`) as (vocab: bigint) => boolean)(model.vocab);
  const some = (id: number) => (id < 0 ? [] : [id]);
  const separator = some(token('sep'));
  const end = adds('eos') ? some(token('eos')) : separator;
  if (separator.length === 0) return undefined;
  return {
    start: adds('bos') ? some(token('bos')) : [],
    between: adds('eos') ? [...end, ...separator] : separator,
    end,
  };
}
