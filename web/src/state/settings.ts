/** What the visitor chose, and the request that follows from it. */
import type { ChatBody, Document, Mode } from '../api/types.ts';

export type Lanes = 'both' | 'block' | 'full';

export interface Settings {
  readonly lanes: Lanes;
  /** Both at the same time, or block first and full after it. */
  readonly together: boolean;
  /** Encode the passages before the race, as a server does when documents arrive. */
  readonly encodeFirst: boolean;
  /** Context policy of block mode, as the server reads it; empty for the server's own. */
  readonly policy: string;
  readonly maxTokens: number;
}

export const defaultSettings: Settings = {
  lanes: 'both',
  together: false,
  encodeFirst: true,
  policy: '',
  maxTokens: 48,
};

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
  const policy = mode === 'block' ? settings.policy.trim() : '';
  return {
    model,
    messages: [{ role: 'user', content: question }],
    documents,
    max_tokens: settings.maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    block_attention: { mode, ...(policy !== '' && { policy }), prefix_reuse: false },
  };
}
