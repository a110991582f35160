/** What turns texts into vectors: a GGUF model in this process, or a server with OpenAI's embeddings route. */

export interface Embedder extends AsyncDisposable {
  /** What it was opened with. */
  readonly reference: string;
  /** Vectors of embedders with the same identity may be compared. */
  readonly identity: string;
  readonly dimensions: number;
  /**
   * Vectors of length 1, `[dimensions]` each, in order. What is too long for the model is cut off.
   * @param kind many models want questions and documents to be told apart; `plain` adds nothing to a text
   * @throws EMBEDDING_FAILED, COMPUTE_FAILED, ABORTED
   */
  embed(texts: readonly string[], kind: 'document' | 'query' | 'plain', signal?: AbortSignal): Promise<Float32Array[]>;
  /** Tokens of a text as the model reads it, cut off as it is. Absent where they cannot be told. */
  count?(text: string): number;
}
