/** Texts of a grammar, by libllama's own reading of it: drawn at random, or checked byte by byte. For tests. */

import { createSampler } from '../../../packages/engine/src/ggml/llama/sampler.ts';
import type { Tokenizer } from '../../../packages/engine/src/ggml/llama/tokenizer.ts';
import type { VocabTokenizer } from '../../../packages/engine/src/ggml/llama/vocab.ts';
import { openVocabulary } from '../../../packages/engine/src/prompt/testing/open-family.ts';
import { createPrng } from '../../../tests/support/prng.ts';

const favour = 100;

export class GrammarTexts {
  readonly #tokenizer: VocabTokenizer;
  readonly #end: number;

  private constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer as VocabTokenizer;
    this.#end = tokenizer.eos ?? 0;
  }

  /** Over a vocabulary whose first 256 tokens are the bytes. */
  static async open(): Promise<GrammarTexts> {
    return new GrammarTexts(await openVocabulary({ controls: ['<s>', '</s>'], addBos: false }));
  }

  /** A text of the grammar; after 80 bytes it ends as soon as the grammar lets it. */
  draw(grammar: string, seed: number): string {
    const prng = createPrng(seed);
    using sampler = createSampler({ grammar }, this.#tokenizer);
    const bytes: number[] = [];
    for (;;) {
      const logits = new Float32Array(this.#tokenizer.size).map((_, token) => (token < 256 ? prng.uniform() : -favour));
      // Letters more often than bytes that begin a long character.
      for (let token = 128; token < 256; token++) logits[token] = (logits[token] ?? 0) - 0.5;
      logits[this.#end] = prng.uniform();
      if (bytes.length > 80) {
        logits[this.#end] = favour + 2;
        logits['"'.charCodeAt(0)] = favour + 1;
        // Not always: within a string they are characters like others.
        if (prng.uniform() < 0.5) for (const close of '}]') logits[close.charCodeAt(0)] = favour;
      }
      const token = sampler.sample(logits);
      if (token === this.#end) return Buffer.from(bytes).toString();
      bytes.push(token);
      if (bytes.length > 20_000) throw new Error(`it does not end: ${Buffer.from(bytes).toString().slice(0, 200)}`);
    }
  }

  /** Whether the text is one of the grammar's. */
  accepts(grammar: string, text: string): boolean {
    using sampler = createSampler({ grammar }, this.#tokenizer);
    for (const wanted of [...Buffer.from(text), this.#end]) {
      const logits = new Float32Array(this.#tokenizer.size);
      logits[wanted] = favour;
      if (sampler.sample(logits) !== wanted) return false;
    }
    return true;
  }
}
