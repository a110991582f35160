/**
 * Plan to tokens: each block by itself (a block's tokens must not depend on its neighbours, and text that spells a
 * special token is plain text).
 *
 * Invariants: BOS stands nowhere but at the start of the first block, or where the chat template itself writes one;
 * a control token comes only from markup. Markup and content of one block are tokenized together, as models were
 * trained on them: cutting between them would change merges and, in SentencePiece vocabularies, add spaces.
 */
import { BlockAttentionError } from '../errors.ts';
import type { Tokenizer } from '../ggml/tokenizer.ts';
import type { TokenMemo } from './token-memo.ts';
import { type BlockPlan, blockText, type PlannedBlock, type Segment, type TokenizedPlan } from './types.ts';

/**
 * Token ids of every block.
 * @param memo remembers the tokens of passages, of what stands before them and of markup; it belongs to this tokenizer.
 *   Defaults to none.
 * @throws INVALID_ARGUMENT when a block has no tokens, or its text is not well-formed Unicode.
 */
export function tokenizePlan(plan: BlockPlan, tokenizer: Tokenizer, memo?: TokenMemo): TokenizedPlan {
  return withTokens(plan, tokenizer, (planned) => blockTokens(planned, tokenizer, memo));
}

/**
 * The same, with passages that the memo does not know tokenized several at once, off the calling thread: at thousands
 * of tokens of new context that takes tens of milliseconds.
 * @throws what tokenizePlan() does
 */
export async function tokenizePlanAside(
  plan: BlockPlan,
  tokenizer: Tokenizer,
  memo: TokenMemo,
): Promise<TokenizedPlan> {
  const plain = plan.blocks.filter(
    ({ kind, segments }) => kind === 'passage' && segments.every(({ special }) => !special),
  );
  const texts = new Map(plain.map((planned) => [blockKey(planned), blockText(planned)]));
  const { tokens, kept } = await memo.learn(texts.keys(), (unknown) =>
    tokenizer.tokenizeAll(unknown.map((key) => texts.get(key) ?? '')),
  );
  const later = kept ? memo : undefined;
  return withTokens(
    plan,
    tokenizer,
    (planned) => tokens.get(blockKey(planned)) ?? blockTokens(planned, tokenizer, later),
  );
}

function withTokens(
  plan: BlockPlan,
  tokenizer: Tokenizer,
  tokensOf: (planned: PlannedBlock) => Int32Array,
): TokenizedPlan {
  const blocks = plan.blocks.map((planned, index) => {
    const tokens = tokensOf(planned);
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

function blockTokens(planned: PlannedBlock, tokenizer: Tokenizer, memo: TokenMemo | undefined): Int32Array {
  const recurs = planned.kind === 'passage' || planned.kind === 'system';
  const make = () => tokenizeBlock(planned, tokenizer, memo);
  return memo !== undefined && recurs ? memo.get(blockKey(planned), make) : make();
}

function tokenizeBlock(planned: PlannedBlock, tokenizer: Tokenizer, memo: TokenMemo | undefined): Int32Array {
  const { segments } = planned;
  const text = blockText(planned);
  if (!segments.some(({ special }) => special)) return tokenizer.tokenize(text, false);
  const whole = tokenizer.tokenize(text, true);
  const controls = (tokens: Int32Array) => tokens.filter((token) => tokenizer.isControl(token));
  const read = (text: string) => controls(tokenizer.tokenize(text, true));
  // Markup is the same in every prompt; what people write is not.
  const own = segments.map(({ text: part, special }) =>
    special && memo !== undefined ? memo.get(`markup ${part}`, () => read(part)) : read(part),
  );
  const expected = segments.flatMap((segment, index) => (segment.special ? Array.from(own[index] ?? []) : []));
  const contentSpellsNone = segments.every((segment, index) => segment.special || own[index]?.length === 0);
  const found = controls(whole);
  const same = found.length === expected.length && found.every((token, index) => token === expected[index]);
  return contentSpellsNone && same ? whole : tokenizeApart(segments, tokenizer);
}

/**
 * For content that spells control tokens: the markup's control tokens by their ids, the texts between them, content
 * included, as text.
 */
function tokenizeApart(segments: readonly Segment[], tokenizer: Tokenizer): Int32Array {
  const tokens: number[] = [];
  let run = '';
  const flush = () => {
    for (const token of tokenizer.tokenize(run, false)) tokens.push(token);
    run = '';
  };
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
        run += text.slice(from, at);
        flush();
        tokens.push(token);
        from = at + spelling.length;
      }
    }
    run += text.slice(from);
  }
  flush();
  return Int32Array.from(tokens);
}
