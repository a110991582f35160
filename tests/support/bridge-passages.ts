/** Some passages and a question that one of them answers, for tests of engines. */
import type { Passage } from '@block-attention/engine/internal/prompt';

export const bridgePassages: readonly Passage[] = [
  { id: 'bridge', title: 'Varn Bridge', text: 'The bridge was opened in 1931.' },
  { id: 'town', title: 'Tessen', text: 'Tessen is a town of clock makers on the river Ald.' },
  { id: 'river', text: 'The Ald is 90 km long.' },
  { id: 'hill', title: 'Carn', text: 'From the hill of Carn one sees the sea.' },
];
export const bridgeQuestion = 'When was the bridge opened?';
