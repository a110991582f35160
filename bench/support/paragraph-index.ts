/** Paragraphs as an index: one Markdown file each, what users have, through the whole pipeline. For benchmarks of retrieval. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DocumentIndex, type Embedder, openIndex } from '../../src/rag/index.ts';

/** A word is a token: paragraphs stay whole whatever the tokenizer. */
const tokenizer = { count: (text: string) => text.match(/\S+/g)?.length ?? 0, identity: 'words' };

export interface ParagraphIndex extends AsyncDisposable {
  /** Paragraph number `n` is the file `n.md`. */
  readonly index: DocumentIndex;
}

/** @param options language: defaults to English. embedder: none by default */
export async function indexParagraphs(
  paragraphs: readonly { readonly title: string; readonly text: string }[],
  options: { readonly language?: string | undefined; readonly embedder?: Embedder | undefined } = {},
): Promise<ParagraphIndex> {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-docs-'));
  for (const [i, { title, text }] of paragraphs.entries()) {
    writeFileSync(join(folder, `${i}.md`), `# ${title}\n\n${text.replaceAll(/\s+/g, ' ')}\n`);
  }
  const directory = mkdtempSync(join(tmpdir(), 'block-attention-index-'));
  const index = await openIndex({ directory, ...options });
  await index.update(folder, { tokenizer, chunkTokens: 2000 });
  const close = async () => {
    await index.close();
    for (const path of [folder, directory]) rmSync(path, { recursive: true });
  };
  return { index, [Symbol.asyncDispose]: close };
}
