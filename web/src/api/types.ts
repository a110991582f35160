/** What the server's public API says, as far as the page reads it. Fields an older server lacks are optional. */

export type Mode = 'block' | 'full';
export type RequestedMode = Mode | 'auto';

export interface Document {
  readonly id?: string;
  readonly title?: string;
  readonly text: string;
}

export interface BlockOptions {
  readonly mode?: RequestedMode;
  /** Context policy, such as `head:8`. */
  readonly policy?: string;
  readonly prefix_reuse?: boolean;
}

/** Of any chat request. */
export interface AskBody {
  readonly model: string;
  readonly messages: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
  readonly stream: true;
  readonly stream_options: { readonly include_usage: true };
  /** Answer from the documents of the server. */
  readonly retrieval?: object;
}

export interface ChatBody extends AskBody {
  readonly documents: readonly Document[];
  readonly max_tokens: number;
  readonly block_attention: BlockOptions;
}

export interface ModelInfo {
  readonly id: string;
  readonly block_attention?: {
    readonly architecture?: string;
    readonly context_tokens: number;
    readonly kv_bytes_per_token: number;
    readonly parameters?: number;
    readonly layers?: number;
    readonly heads?: number;
    readonly threads?: number;
    readonly mode_default?: string;
    /** How prompts are laid out: `chat` for models that know turns. */
    readonly layout?: string;
    /** Name of the model that answers from documents of the server; null where it has none. */
    readonly documents?: string | null;
    /** Null where nobody measured whether block mode is good enough for the model. */
    readonly verdict?: 'block' | 'full' | null;
    /** Why checks of the server ended block mode. */
    readonly fallback?: string | null;
    readonly learning?: { readonly state: 'off' | 'learning' | 'block' | 'full'; readonly n: number };
  };
}

export interface BlockAccount {
  readonly id: string;
  readonly status: 'hit' | 'miss';
  /** memory, disk, redis, s3; `none` for a miss. */
  readonly tier: string;
  readonly tokens: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface Account {
  readonly mode: Mode;
  readonly requested?: RequestedMode;
  readonly reason?: string | null;
  /** Null in full mode. */
  readonly policy?: string | null;
  readonly ttft_ms: number;
  readonly queue_ms?: number;
  readonly timings?: {
    readonly plan_ms: number;
    readonly acquire_ms: number;
    readonly prefill_ms: number;
    readonly decode_ms: number;
    readonly decode_tokens_per_second: number;
  };
  readonly tokens?: { readonly context: number; readonly question: number; readonly answer: number };
  readonly reused_tokens?: number;
  readonly blocks: readonly BlockAccount[];
  readonly flops: { readonly spent: number; readonly full: number };
}

export interface Chunk {
  readonly choices: readonly {
    readonly delta?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly block_attention?: Account;
  readonly retrieval?: Retrieved;
  readonly error?: { readonly message: string; readonly code?: string };
}

export interface PlanBlock {
  readonly id: string;
  readonly kind: 'system' | 'passage' | 'turn' | 'text' | 'final';
  readonly tokens: number;
  /** The tier that holds the block now; null for none. */
  readonly cached: string | null;
}

export interface Plan {
  readonly context_tokens: number;
  readonly question_tokens: number;
  readonly kv_bytes: number;
  readonly blocks: readonly PlanBlock[];
}

export interface BlocksJob {
  readonly id: string;
  readonly status: 'running' | 'done' | 'failed';
  readonly done: number;
  readonly total: number;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Place {
  /** File and lines. */
  readonly source: string;
  readonly folder: string;
  readonly path: string;
  readonly title: string;
  readonly text: string;
}

export interface Citation extends Place {
  readonly index: number;
  /** Half-open ranges of the passage's text. */
  readonly quotes: readonly (readonly [number, number])[];
  /** Half-open ranges of the answer. */
  readonly ranges: readonly (readonly [number, number])[];
}

export interface PassageHit extends Place {
  readonly id: string;
  readonly rank: number;
}

/** How far the documents were read when an answer was looked up. */
export interface ReadState {
  readonly state: 'ready' | 'reading' | 'unfinished' | 'empty';
  readonly files_done: number;
  readonly files_total: number;
}

export interface Retrieved {
  readonly documents?: ReadState;
  readonly asked: boolean;
  readonly in_documents: boolean;
  readonly citations: readonly Citation[];
  readonly passages: readonly PassageHit[];
}

interface PathNote {
  readonly path: string;
  readonly reason: string;
}

export interface DocumentsState {
  /** Name of the model that answers from them. */
  readonly model: string;
  readonly phase: 'waiting' | 'reading' | 'indexing' | 'encoding' | 'ready';
  readonly done: number;
  readonly total: number;
  readonly path: string | null;
  readonly files: number;
  readonly passages: number;
  readonly encoding: {
    readonly wanted: boolean;
    readonly done: number;
    readonly total: number;
    readonly error: string | null;
  };
  readonly max_file_bytes: number;
  readonly folders: readonly {
    readonly name: string;
    readonly files: number;
    readonly passages: number;
    readonly left_out: readonly PathNote[];
    readonly left_out_total: number;
    readonly notes: readonly PathNote[];
    readonly other_files: number;
    readonly other_endings: Readonly<Record<string, number>>;
    readonly error: string | null;
  }[];
}

export interface FileInfo {
  readonly id: string;
  readonly filename: string;
  readonly bytes: number;
  readonly status: 'uploaded' | 'processed' | 'error';
  readonly status_details: string | null;
  readonly passages: number;
}
