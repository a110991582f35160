/** Passages to begin with. All of it is made up. */
import type { Document } from '../api/types.ts';
import { railway } from './sample-railway.ts';
import { harbourRegister } from './sample-register.ts';
import { support } from './sample-support.ts';

export interface Sample {
  readonly id: string;
  readonly name: string;
  readonly question: string;
  readonly documents: readonly Document[];
}

export const samples: readonly Sample[] = [
  {
    id: 'railway',
    name: 'A mountain railway',
    question: 'When is the museum at Brenn closed?',
    documents: railway,
  },
  {
    id: 'support',
    name: 'A support desk',
    question: 'The ring of my Lumen hub blinks amber. What does it mean, and what should I do?',
    documents: support,
  },
  {
    id: 'register',
    name: 'A harbour register (long)',
    question: 'Which cargo did the Heron bring, and who signed for it?',
    documents: harbourRegister(24),
  },
];

/** What the page opens with. */
export const firstSample = samples[0] as Sample;
