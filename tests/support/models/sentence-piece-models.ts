/** Models with a SentencePiece vocabulary for tests of what tokenizers do: one of our own, and a real one where it is. */
import { join } from 'node:path';
import { writeRandomModel } from './random-model.ts';
import { stories260k } from './real-models.ts';

/** @param folder where the model of our own is written */
export async function sentencePieceModels(folder: string): Promise<{ readonly name: string; readonly path: string }[]> {
  const own = { name: 'random llama', path: join(folder, 'sentence-piece.gguf') };
  await writeRandomModel(own.path, { family: 'llama' }, 5);
  return [own, ...stories260k];
}
