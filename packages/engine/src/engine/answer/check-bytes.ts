import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';

/**
 * Refuses texts that have more tokens than the context holds, whatever the tokens: by their bytes, which costs nothing.
 * @throws CONTEXT_OVERFLOW
 */
export function checkBytes(
  { longestTokenBytes }: Tokenizer,
  texts: readonly unknown[],
  mostTokens: number,
  what = 'the prompt',
): void {
  let bytes = 0;
  // Prompts drop white space around a text.
  for (const text of texts) if (typeof text === 'string') bytes += Buffer.byteLength(text.trim());
  const tokens = Math.ceil(bytes / longestTokenBytes);
  if (tokens <= mostTokens) return;
  throw new BlockAttentionError(
    'CONTEXT_OVERFLOW',
    `${what} has ${bytes} bytes, which are at least ${tokens} tokens, the context holds ${mostTokens}: send less text`,
  );
}
