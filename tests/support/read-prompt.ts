/** An answer of one token with the logits of its prompt and what became of each block. For tests. */
import type { AnswerRequest, Engine } from '@block-attention/engine/internal/engine';

export async function readPrompt(engine: Engine, request: AnswerRequest) {
  let logits = new Float32Array(0);
  const onPromptLogits = (all: Float32Array) => {
    logits = all.slice();
  };
  const result = await engine.answer({ maxTokens: 1, ...request, onPromptLogits }).result;
  return { ...result, logits, statuses: result.blocks.map(({ status }) => status).join(' ') };
}
