/** What a model's file lacks that it runs without, but not as well. */
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';

export function modelWarnings(file: GgufFile): string[] {
  const warnings: string[] = [];
  if (file.value('tokenizer.ggml.model') === 'gpt2' && !file.value('tokenizer.ggml.pre')) {
    warnings.push(
      `${file.path} does not say how its tokenizer parts text (tokenizer.ggml.pre), so text is split as in GPT-2 and answers may be worse: convert the model again with a current llama.cpp`,
    );
  }
  return warnings;
}
