/** What the visitor chose, and the request that follows from it. */
import type { ChatBody, Document, Mode } from '../api/types.ts';

export type Lanes = 'both' | 'block' | 'full';
export type Repair = 'none' | 'head' | 'deviation';

export interface Settings {
  readonly lanes: Lanes;
  /** Both at the same time, or block first and full after it. */
  readonly together: boolean;
  /** Encode the passages before the race, as a server does when documents arrive. */
  readonly encodeFirst: boolean;
  readonly repair: Repair;
  /** Of `head`: tokens at the head of each passage. */
  readonly headTokens: number;
  /** Of `deviation`: percent of the context. */
  readonly deviationPercent: number;
  readonly maxTokens: number;
}

export const defaultSettings: Settings = {
  lanes: 'both',
  together: false,
  encodeFirst: true,
  repair: 'none',
  headTokens: 16,
  deviationPercent: 15,
  maxTokens: 48,
};

export function repairText({ repair, headTokens, deviationPercent }: Settings): string {
  if (repair === 'head') return `head:${headTokens}`;
  return repair === 'deviation' ? `deviation:${Number((deviationPercent / 100).toFixed(4))}` : 'none';
}

export function chatBody({
  model,
  mode,
  settings,
  documents,
  question,
}: {
  readonly model: string;
  readonly mode: Mode;
  readonly settings: Settings;
  readonly documents: readonly Document[];
  readonly question: string;
}): ChatBody {
  const repair = mode === 'block' ? repairText(settings) : 'none';
  return {
    model,
    messages: [{ role: 'user', content: question }],
    documents,
    max_tokens: settings.maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    block_attention: { mode, ...(repair !== 'none' && { repair }), prefix_reuse: false },
  };
}
