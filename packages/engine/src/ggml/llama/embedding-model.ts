/** Text embeddings by libllama, pooled as the model's file says. */
import { BlockAttentionError } from '../../errors.ts';
import { PooledModel, type PooledModelOptions, poolings } from './pooled-model.ts';

export interface EmbeddingModel extends AsyncDisposable {
  /** Length of a vector. */
  readonly dimensions: number;
  readonly maxTokens: number;
  /** How token vectors become one. Models whose file says nothing are averaged. */
  readonly pooling: 'mean' | 'cls' | 'last';
  /** The vector of a text, of length 1, `[dimensions]`; longer texts are cut off. @throws COMPUTE_FAILED, DISPOSED */
  embed(text: string): Promise<Float32Array>;
  /** Tokens that are read of a text. @throws INVALID_ARGUMENT for a text without any, DISPOSED */
  count(text: string): number;
}

/**
 * Loads an embedding model.
 * @throws MODEL_NOT_FOUND, MODEL_INVALID; MODEL_UNSUPPORTED for rerankers and models that make no embeddings;
 *   INVALID_ARGUMENT for numbers out of range
 */
export async function openEmbeddingModel(path: string, options: PooledModelOptions): Promise<EmbeddingModel> {
  const model = await PooledModel.open(path, options, poolings.mean);
  const pooling = (['mean', 'cls', 'last'] as const).find((name) => poolings[name] === model.pooling);
  if (pooling === undefined) {
    await model[Symbol.asyncDispose]();
    throw new BlockAttentionError(
      'MODEL_UNSUPPORTED',
      `${path} ranks texts and gives no embeddings: use another model, or this one to rerank`,
    );
  }
  const { dimensions, maxTokens } = model;
  return {
    dimensions,
    maxTokens,
    pooling,
    embed(text) {
      model.check();
      return Promise.resolve()
        .then(() => model.run(tokensOf(model, text), dimensions))
        .then(normalised);
    },
    count: (text) => tokensOf(model, text).length,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** With the marks of both ends; what is too long loses its middle-to-end, not the mark. @throws INVALID_ARGUMENT, DISPOSED */
function tokensOf(model: PooledModel, text: string): Int32Array {
  const tokens = model.tokenize(text, true);
  if (tokens.length === 0) throw new BlockAttentionError('INVALID_ARGUMENT', 'a text without tokens has no embedding');
  if (tokens.length <= model.maxTokens) return tokens;
  const cut = tokens.slice(0, model.maxTokens);
  cut[model.maxTokens - 1] = tokens.at(-1) ?? 0;
  return cut;
}

function normalised(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const length = Math.sqrt(sum);
  if (!(length > 0) || !Number.isFinite(length)) {
    throw new BlockAttentionError('COMPUTE_FAILED', `an embedding has length ${length}: the model does not work`);
  }
  return vector.map((value) => value / length);
}
