/** What an answer reused and how soon it began, in one line. */
import type { Account, Retrieved } from '../api/types.ts';
import { integer, milliseconds } from './format.ts';

export function costLine(
  account: Account | undefined,
  { firstTokenMs, retrieval }: { readonly firstTokenMs: number | undefined; readonly retrieval: Retrieved | undefined },
): string {
  const began = firstTokenMs === undefined ? [] : [`first word after ${milliseconds(firstTokenMs)}`];
  if (retrieval?.asked === false) return ['no model was asked', ...began].join(' · ');
  if (account === undefined) return began.join(' · ');
  const read = (account.tokens?.context ?? 0) + (account.tokens?.question ?? 0);
  if (account.mode === 'full') return [`all ${integer(read)} tokens read again`, ...began].join(' · ');
  const passages = account.blocks.filter(({ id }) => id !== 'system');
  const hits = passages.filter(({ status }) => status === 'hit');
  const tokens = hits.reduce((sum, block) => sum + block.tokens, 0);
  return [
    `${hits.length} of ${passages.length} passages reused, ${integer(tokens)} of ${integer(read)} tokens`,
    ...began,
  ].join(' · ');
}
