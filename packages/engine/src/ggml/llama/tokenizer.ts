/** What prompt/ and engine/ need of a tokenizer. Implemented on libllama by vocab.ts. */
export interface Tokenizer {
  /** Number of tokens in the vocabulary. */
  readonly size: number;
  /** Beginning-of-sequence token, if the model has one. */
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Bytes of text that one token stands for at most: a text of n bytes has at least n / this many tokens. */
  readonly longestTokenBytes: number;
  /** True when the model was trained with `bos` at the start of every prompt. */
  readonly addBos: boolean;
  /** The chat template in the model's file (Jinja), if any. */
  readonly chatTemplate: string | undefined;
  /**
   * Token ids of a text; never adds BOS or EOS by itself.
   * @param parseSpecial when true, text that spells a control token becomes that token; when false it stays text.
   * @throws INVALID_ARGUMENT for text that is not well-formed Unicode (lone surrogates).
   */
  tokenize(text: string, parseSpecial: boolean): Int32Array;
  /**
   * `tokenize()` of many texts, several at once on threads of the pool. dispose() must wait for it.
   * @throws INVALID_ARGUMENT like `tokenize`, before any work.
   */
  tokenizeAll(texts: readonly string[], parseSpecial: boolean): Promise<Int32Array[]>;
  /** The exact bytes of one token as it appears in text; empty for control tokens. */
  tokenBytes(token: number): Uint8Array;
  /** The text of a control token such as BOS, e.g. `<s>`; also of ordinary tokens. */
  tokenText(token: number): string;
  /** True for every token that ends a generation (EOS, end of turn …). */
  isEndOfGeneration(token: number): boolean;
  /** True for control tokens. */
  isControl(token: number): boolean;
  dispose(): void;
}
