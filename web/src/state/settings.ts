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

/** The context policy of block mode; undefined for the server's own. */
export function policyOf({ policy }: Pick<Settings, 'policy'>): string | undefined {
  return policy.trim() === '' ? undefined : policy.trim();
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
  const policy = mode === 'block' ? policyOf(settings) : undefined;
  return {
    model,
    messages: [{ role: 'user', content: question }],
    documents,
    max_tokens: settings.maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    block_attention: { mode, ...(policy !== undefined && { policy }), prefix_reuse: false },
  };
}
