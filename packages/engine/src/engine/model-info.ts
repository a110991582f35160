/** What an engine says of its model and its adapters. */
import type { AdapterKind } from '../model/weights/adapter-file.ts';

export interface ModelInfo {
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly embeddingLength: number;
  readonly vocabulary: number;
  /** Type that most of the weights have, such as `q4_1`. */
  readonly weightType: string;
  /** Bytes of the file, and the hex SHA-256 of them. */
  readonly fileBytes: number;
  readonly digest: string;
  /** Source of the chat template in the file; null without one. */
  readonly chatTemplate: string | null;
  readonly trainedContext: number;
  readonly contextTokens: number;
  /** Bytes of stored K and V per token, all layers. */
  readonly kvBytesPerToken: number;
  /** Bytes that every stored block has besides: inputs of short convolutions. 0 for models without. */
  readonly kvBytesPerBlock: number;
  /** Whether policies may compute tokens of a context again (`head:K`, `deviation:SHARE`, `attention:SHARE`): not behind short convolutions. */
  readonly recomputes: boolean;
  /** The adapter it runs with; null for none. */
  readonly adapter: AdapterInfo | null;
  /** What may make its answers worse than they should be, a sentence each. */
  readonly warnings: readonly string[];
}

export interface AdapterInfo {
  readonly path: string;
  readonly scale: number;
  /** The greatest of its maps. */
  readonly rank: number;
  /** `lora` acts on every token; `writer` on passages while they are encoded: full attention is as without it. */
  readonly kind: AdapterKind;
  /** The ordinary adapter that runs beside a writer; null for none. */
  readonly over: AdapterInfo | null;
  /** What verdicts say about it: digest of the file, the scale unless it is 1, and before it the same of what it is over. */
  readonly identity: string;
}
