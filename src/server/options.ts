/** What a server is made of, and its limits. */

import type { Engine } from '@block-attention/engine/internal/engine';
import type { Logger } from 'pino';
import type { Embedder } from '../rag/embed/embedder.ts';
import type { DocumentsOptions } from './documents/library.ts';
import type { LearnOptions } from './operate/learning.ts';
import type { ShadowOptions } from './operate/shadow.ts';
import type { ApiKey } from './operate/tenants.ts';

export interface ServerOptions {
  /** Not closed by the server. */
  readonly engine: Engine;
  /** Answers /v1/embeddings. Not closed by the server. Defaults to none. */
  readonly embedder?: Embedder | undefined;
  /** Names that requests may call the model by; it is listed under each. Defaults to the name in the model's file. */
  readonly modelName?: string | readonly [string, ...string[]] | undefined;
  /** Keys that clients must show one of. Defaults to none: everybody is served, as one tenant. */
  readonly apiKeys?: readonly ApiKey[] | undefined;
  /** Makes the tenants' salts; the same secret finds stored blocks again. Defaults to a random one. */
  readonly secret?: string | undefined;
  /** Bearer token of /metrics. With API keys and without it, /metrics is off: it tells of all tenants. */
  readonly metricsToken?: string | undefined;
  /**
   * Origins of pages on other servers that may use this one from a browser, such as `https://app.example`; `*` for all.
   * Defaults to none: the server's own page alone.
   */
  readonly corsOrigins?: readonly string[] | undefined;
  /**
   * Names that clients reach this server by beside loopback names and IP addresses: `name`, `name:port`, or `*`. Checked
   * where there are no API keys, or when given. Defaults to none.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Checks of a sample against full attention. Defaults to none. */
  readonly shadow?: Partial<ShadowOptions> | undefined;
  /** How `auto` learns without a verdict. Defaults to not at all. */
  readonly learn?: Partial<LearnOptions> | undefined;
  /** Documents that it answers from, searches and takes. Defaults to none: requests bring theirs. */
  readonly documents?: DocumentsOptions | undefined;
  /** Where requests are logged: never keys, prompts or answers. Defaults to nowhere. */
  readonly logger?: Logger | undefined;
}

export interface Limits {
  /** Defaults to 8 MiB. */
  readonly bodyBytes: number;
  /** Bodies of all requests under way, together. Defaults to 128 MiB. */
  readonly bodiesBytes: number;
  /** Objects, lists, texts and so on in one body: parsing millions of them takes seconds. Defaults to 100,000. */
  readonly bodyValues: number;
  /** Documents of one request. Defaults to 1024. */
  readonly documents: number;
  /** Tokens of one answer. Defaults to 4096. */
  readonly answerTokens: number;
  /** Requests computed at once. Defaults to 32. */
  readonly running: number;
  /** Requests that wait beyond those. Defaults to 128. */
  readonly queue: number;
  /** Time of one request, waiting included, in ms. Defaults to 5 minutes. */
  readonly deadlineMs: number;
  /** A file that is cut into passages, in bytes. Defaults to 32 MiB. */
  readonly fileBytes: number;
  /** Pre-warming jobs at once. Defaults to 4. */
  readonly jobs: number;
}

export const defaultLimits: Limits = {
  bodyBytes: 8 * 2 ** 20,
  bodiesBytes: 128 * 2 ** 20,
  bodyValues: 100_000,
  documents: 1024,
  answerTokens: 4096,
  running: 32,
  queue: 128,
  deadlineMs: 300_000,
  fileBytes: 32 * 2 ** 20,
  jobs: 4,
};
