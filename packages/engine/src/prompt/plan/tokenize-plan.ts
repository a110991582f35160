/**
 * Plan to tokens: each block by itself (a block's tokens must not depend on its neighbours, and text that spells a
 * special token is plain text).
 *
 * Invariants: BOS stands nowhere but at the start of the first block, or where the chat template itself writes one;
 * a control token comes only from markup. Markup and content of one block are tokenized together, as models were
 * trained on them: cutting between them would change merges and, in SentencePiece vocabularies, add spaces.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { type BlockPlan, blockText, type PlannedBlock, type Segment, type TokenizedPlan } from '../types.ts';
import type { TokenMemo } from './token-memo.ts';

/**
 * Token ids of every block.
 * @param memo remembers the tokens of passages, of what stands before them and of markup; it belongs to this tokenizer.
 *   Defaults to none.
 * @throws INVALID_ARGUMENT when a block has no tokens, or its text is not well-formed Unicode.
 */
export function tokenizePlan(plan: BlockPlan, tokenizer: Tokenizer, memo?: TokenMemo): TokenizedPlan {
  const tokensOf = (planned: PlannedBlock) => {
    const reading = readBlock(planned, tokenizer, memo);
    for (let step = reading.next(); ; step = reading.next(readNow(step.value, tokenizer)))
      if (step.done) return step.value;
  };
  return withTokens(
    plan,
    tokenizer,
    plan.blocks.map((planned) => {
      const make = () => tokensOf(planned);
      return memo !== undefined && recurs(planned) ? memo.get(blockKey(planned), make) : make();
    }),
  );
}

export interface AsideOptions {
  /** Tokens a block may have. Defaults to no limit. */
  readonly maxTokens?: number | undefined;
}

/**
 * The same, off the calling thread but for what is short: passages that the memo does not know several at once, and all
 * other blocks. A long text takes seconds.
 * @throws what tokenizePlan() does; CONTEXT_OVERFLOW for a block of more than `maxTokens`
 */
export async function tokenizePlanAside(
  plan: BlockPlan,
  tokenizer: Tokenizer,
  memo: TokenMemo,
  { maxTokens = Number.POSITIVE_INFINITY }: AsideOptions = {},
): Promise<TokenizedPlan> {
  const single = plan.blocks.filter((planned) => planned.kind === 'passage' && isPlain(planned));
  const texts = new Map(single.map((planned) => [blockKey(planned), blockText(planned)]));
  const { tokens, kept } = await memo.learn(texts.keys(), (unknown) =>
    tokenizer.tokenizeAll(
      unknown.map((key) => texts.get(key) ?? ''),
      false,
    ),
  );
  const later = kept ? memo : undefined;
  let here = shortChars;
  const read = async (planned: PlannedBlock): Promise<Int32Array> => {
    const reading = readBlock(planned, tokenizer, later);
    for (let step = reading.next(); ; ) {
      if (step.done) return step.value;
      const asked: readonly Text[] = step.value;
      here -= asked.reduce((sum, { text }) => sum + text.length, 0);
      const found = here >= 0 ? readNow(asked, tokenizer) : await readAside(asked, tokenizer);
      const most = Math.max(0, ...found.map(({ length }) => length));
      // What follows costs time for every token, and such a block is of no use to anybody.
      if (most > maxTokens) throw tooLong(planned, most, maxTokens);
      step = reading.next(found);
    }
  };
  const all = plan.blocks.map(async (planned) => {
    const known = tokens.get(blockKey(planned));
    if (known !== undefined) return known;
    if (later === undefined || !recurs(planned)) return read(planned);
    const key = blockKey(planned);
    const learnt = await later.learn([key], async () => [await read(planned)]);
    return learnt.tokens.get(key) ?? read(planned);
  });
  // All of them, also when one fails: the tokenizer must not go while it is used.
  await Promise.allSettled(all);
  const made = await Promise.all(all);
  const over = made.findIndex(({ length }) => length > maxTokens);
  const planned = plan.blocks[over];
  if (planned) throw tooLong(planned, made[over]?.length ?? 0, maxTokens);
  return withTokens(plan, tokenizer, made);
}

/** Characters of one plan that are tokenized at once: sending them to another thread takes longer. */
const shortChars = 4096;

/** A text to be tokenized. @param special whether what spells a control token becomes that token */
interface Text {
  readonly text: string;
  readonly special: boolean;
}

/** Asks for the tokens of texts, is given them, and ends with the block's. */
type Reading = Generator<readonly Text[], Int32Array, readonly Int32Array[]>;

function readNow(texts: readonly Text[], tokenizer: Tokenizer): Int32Array[] {
  return texts.map(({ text, special }) => tokenizer.tokenize(text, special));
}

async function readAside(texts: readonly Text[], tokenizer: Tokenizer): Promise<Int32Array[]> {
  const of = (wanted: boolean) => {
    const some = texts.filter(({ special }) => special === wanted);
    return tokenizer.tokenizeAll(
      some.map(({ text }) => text),
      wanted,
    );
  };
  const plain = await of(false);
  const special = await of(true);
  let nextPlain = 0;
  let nextSpecial = 0;
  return texts.map((text) => (text.special ? special[nextSpecial++] : plain[nextPlain++]) ?? new Int32Array(0));
}

function tooLong({ id }: PlannedBlock, tokens: number, most: number): BlockAttentionError {
  return new BlockAttentionError(
    'CONTEXT_OVERFLOW',
    `block ${JSON.stringify(id)} has ${tokens} tokens, the context holds ${most}: make it shorter`,
  );
}

/** @param made tokens of the blocks, in order */
function withTokens(plan: BlockPlan, tokenizer: Tokenizer, made: readonly Int32Array[]): TokenizedPlan {
  const blocks = plan.blocks.map((planned, index) => {
    const tokens = made[index] ?? new Int32Array(0);
    const complete = index === 0 ? withBos(tokens, plan.bos, tokenizer) : tokens;
    if (complete.length === 0) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `block ${index} (${planned.id}) has no tokens: give it text`);
    }
    return { ...planned, tokens: complete };
  });
  return { ...plan, blocks };
}

/** At most one BOS in front, and one for sure where the tokenizer asks for it. */
function withBos(tokens: Int32Array, rule: BlockPlan['bos'], { bos, addBos }: Tokenizer): Int32Array {
  if (bos === undefined) return tokens;
  let written = 0;
  while (tokens[written] === bos) written++;
  if (written === 1) return tokens;
  if (written > 1) return tokens.slice(written - 1);
  if (rule === 'never' || !addBos) return tokens;
  const complete = new Int32Array(tokens.length + 1);
  complete[0] = bos;
  complete.set(tokens, 1);
  return complete;
}

/** What a memo knows a block by: two with the same key have the same tokens. Passages are mostly a single text. */
function blockKey({ segments }: PlannedBlock): string {
  const [first, ...rest] = segments;
  return first !== undefined && rest.length === 0 && !first.special
    ? `text ${first.text}`
    : `segments ${JSON.stringify(segments.map(({ text, special }) => [text, special]))}`;
}

/** Whether a block comes again with other questions. */
function recurs({ kind }: PlannedBlock): boolean {
  return kind === 'passage' || kind === 'system' || kind === 'tool';
}

function isPlain({ segments }: PlannedBlock): boolean {
  return segments.every(({ special }) => !special);
}

function* readBlock(planned: PlannedBlock, tokenizer: Tokenizer, memo: TokenMemo | undefined): Reading {
  const { segments } = planned;
  const text = blockText(planned);
  if (isPlain(planned)) {
    const [tokens] = yield [{ text, special: false }];
    return tokens ?? new Int32Array(0);
  }
  const controls = (tokens: Int32Array) => tokens.filter((token) => tokenizer.isControl(token));
  // Markup is the same in every prompt, and short; what people write is not.
  const markup = (part: string) => {
    const make = () => controls(tokenizer.tokenize(part, true));
    return memo === undefined ? make() : memo.get(`markup ${part}`, make);
  };
  const contents = segments.filter(({ special }) => !special);
  const [whole = new Int32Array(0), ...read] = yield [
    { text, special: true },
    ...contents.map(({ text: part }) => ({ text: part, special: true })),
  ];
  const expected = segments.flatMap(({ text: part, special }) => (special ? Array.from(markup(part)) : []));
  const contentSpellsNone = read.every((tokens) => !tokens.some((token) => tokenizer.isControl(token)));
  const found = controls(whole);
  const same = found.length === expected.length && found.every((token, index) => token === expected[index]);
  return contentSpellsNone && same ? whole : yield* readApart(segments, tokenizer);
}

/**
 * For content that spells control tokens: the markup's control tokens by their ids, the texts between them, content
 * included, as text.
 */
function* readApart(segments: readonly Segment[], tokenizer: Tokenizer): Reading {
  const controls: number[] = [];
  /** Texts before, between and behind the control tokens. */
  const runs: Text[] = [];
  let run = '';
  for (const { text, special } of segments) {
    let from = 0;
    if (special) {
      for (const token of tokenizer.tokenize(text, true)) {
        if (!tokenizer.isControl(token)) continue;
        const spelling = tokenizer.tokenText(token);
        const at = text.indexOf(spelling, from);
        if (spelling === '' || at < 0) {
          throw new BlockAttentionError(
            'INVALID_TEMPLATE',
            `the template's markup ${JSON.stringify(text)} makes token ${token}, which the vocabulary spells ${JSON.stringify(spelling)}: use the template "plain"`,
          );
        }
        runs.push({ text: run + text.slice(from, at), special: false });
        run = '';
        controls.push(token);
        from = at + spelling.length;
      }
    }
    run += text.slice(from);
  }
  runs.push({ text: run, special: false });
  const read = yield runs;
  const tokens = new Int32Array(controls.length + read.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [index, part] of read.entries()) {
    tokens.set(part, at);
    at += part.length;
    const control = controls[index];
    if (control !== undefined) tokens[at++] = control;
  }
  return tokens;
}
