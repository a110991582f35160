/** Files of the visitor as passages, cut by the server as an index cuts them. It keeps nothing of them. */
import type { Client } from '../api/client.ts';
import { asFailure } from '../api/failure.ts';
import type { Document } from '../api/types.ts';

/** Of text that was pasted: it has no name to show. */
export const pastedName = 'pasted.md';

export interface CutFiles {
  readonly documents: readonly Document[];
  readonly refused: readonly { readonly name: string; readonly reason: string }[];
}

export async function cutFiles(client: Pick<Client, 'cut'>, files: readonly File[]): Promise<CutFiles> {
  const documents: Document[] = [];
  const refused: { name: string; reason: string }[] = [];
  for (const file of files) {
    try {
      for (const { title, text } of await client.cut(file)) {
        documents.push({ ...(title !== undefined && title !== 'pasted' && { title }), text });
      }
    } catch (error) {
      refused.push({ name: file.name, reason: asFailure(error)?.message ?? 'it was not sent' });
    }
  }
  return { documents, refused };
}
