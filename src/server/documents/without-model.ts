/** An answer that is known without the model, where a model's is expected. */
import type { AnswerResult, Engine } from '@block-attention/engine/internal/engine';

export function withoutModel(result: AnswerResult): Pick<Engine, 'answer'> {
  async function* pieces(): AsyncGenerator<string> {
    yield result.text;
  }
  return { answer: () => ({ [Symbol.asyncIterator]: pieces, result: Promise.resolve(result) }) };
}
