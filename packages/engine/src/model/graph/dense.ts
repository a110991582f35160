/**
 * The oracle: a whole prompt in one pass under a dense block mask, at ordinary positions. Slow and obvious; what block
 * mode with stored states must agree with.
 */
import type { GraphAllocator } from '../../ggml/device/backend.ts';
import { DenseAttention } from '../attention/attention-dense.ts';
import type { Model } from '../model.ts';
import { concatenate, runOnce } from './graph-run.ts';

/**
 * @param blocks token ids of the blocks, the final block last; a single block is plain causal attention
 * @returns logits of the last token [vocabulary], or of all tokens [tokens * vocabulary]
 */
export async function denseForward(
  model: Model,
  allocator: GraphAllocator,
  blocks: readonly Int32Array[],
  logits: 'last' | 'all' = 'last',
): Promise<Float32Array> {
  const tokens = concatenate(blocks);
  const last = tokens.length - 1;
  return runOnce(
    {
      model,
      attentionTensors: 24,
      tokens: { length: tokens.length, data: () => tokens },
      prompt: true,
      outputs: logits === 'last' ? Int32Array.of(last) : Int32Array.from({ length: tokens.length }, (_, i) => i),
      attention: (g, inputs) =>
        new DenseAttention(
          g,
          inputs,
          model,
          blocks.map((block) => block.length),
        ),
    },
    allocator,
  );
}
