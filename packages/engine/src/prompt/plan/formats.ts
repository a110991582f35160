/**
 * The three built-in layouts of a prompt: the model's own chat template, the paper's template, and plain text.
 *
 * Each turns the same checked content into blocks: what comes before the passages, one block per passage, one per
 * turn, the question. Content is never markup.
 */
import type { Tokenizer } from '../../ggml/llama/tokenizer.ts';
import { chatBlocks, type PiecedMessage } from '../chat/chat-blocks.ts';
import type { CheckedPassage } from '../input-checks.ts';
import type { ChatTemplate, RenderOptions } from '../template/chat-template.ts';
import { type BlockPlan, block, markup, type PlannedBlock, plain, type Turn } from '../types.ts';
import {
  announcement,
  blockModePrefix,
  groundedQuestion,
  instruction,
  passageEntry,
  plainInstruction,
  plainPassageEntry,
} from './wording.ts';

export interface PromptContent {
  readonly system: string | undefined;
  /** What the assistant said before the first user message. Part of the instruction's block, as constant as it is. */
  readonly greeting?: string | undefined;
  readonly passages: readonly CheckedPassage[];
  readonly turns: readonly Turn[];
  readonly turnKind: 'turn' | 'demonstration';
  readonly question: string;
}

const systemBlock = { id: 'system', kind: 'system' } as const;
const finalBlock = { id: 'final', kind: 'final' } as const;

/** The first user message carries the passages; later questions stand alone. */
export function chatFormat(
  content: PromptContent,
  template: ChatTemplate,
  context: Pick<RenderOptions, 'variables' | 'now'>,
): BlockPlan {
  const { system, greeting, passages, turns, turnKind, question } = content;
  const messages: PiecedMessage[] = [];
  const begin = (text: string) => (messages.length === 0 ? { text, starts: systemBlock } : { text });
  if (system !== undefined) messages.push({ role: 'system', pieces: [begin(system)] });
  if (greeting !== undefined) messages.push({ role: 'assistant', pieces: [begin(greeting)] });
  const head = passages.map((passage) => ({
    text: passageEntry(passage),
    starts: { id: passage.id, kind: 'passage' as const, previous: passage.previous },
  }));
  const opening = begin(system === undefined ? `${instruction} ${announcement}` : announcement);
  const questions = [
    ...turns.map(({ user, assistant }, index) => ({
      user,
      assistant,
      starts: { id: `${turnKind}-${index}`, kind: turnKind },
    })),
    { user: question, assistant: undefined, starts: finalBlock },
  ];
  for (const [index, { user, assistant, starts }] of questions.entries()) {
    const grounded = index === 0 && passages.length > 0;
    const pieces = grounded ? [opening, ...head, { text: groundedQuestion(user), starts }] : [{ text: user, starts }];
    messages.push({ role: 'user', pieces });
    if (assistant !== undefined) messages.push({ role: 'assistant', pieces: [{ text: assistant }] });
  }
  return { blocks: chatBlocks(template, messages, context), bos: 'auto' };
}

/** The template the paper's models were trained on (Tulu 3). BOS nowhere. */
export function paperFormat(content: PromptContent, tokenizer: Tokenizer, blockPrefix: boolean): BlockPlan {
  const { system, greeting, passages, turns, turnKind, question } = content;
  const end = tokenizer.eos === undefined ? '' : tokenizer.tokenText(tokenizer.eos);
  const user = markup('<|user|>\n');
  const answer = markup('\n<|assistant|>\n');
  const blocks: PlannedBlock[] = [];
  const prefix = plain(blockPrefix ? blockModePrefix : '');
  const greeted = greeting === undefined ? [] : [markup('<|assistant|>\n'), plain(greeting), markup(`${end}\n`)];
  if (passages.length > 0) {
    const opening = plain(`${system ?? instruction} ${announcement}`);
    blocks.push(block('system', 'system', [prefix, ...greeted, user, opening]));
  } else if (system !== undefined || greeting !== undefined) {
    const told = system === undefined ? [] : [markup('<|system|>\n'), plain(system), markup('\n')];
    blocks.push(block('system', 'system', [prefix, ...told, ...greeted]));
  }
  const before = blocks.length === 0 ? [prefix] : [];
  blocks.push(...passages.map((one) => block(one.id, 'passage', [plain(passageEntry(one))], one.previous)));
  const ask = (text: string, index: number) =>
    index === 0 && passages.length > 0 ? [plain(groundedQuestion(text)), answer] : [user, plain(text), answer];
  for (const [index, turn] of turns.entries()) {
    const segments = [...ask(turn.user, index), plain(turn.assistant), markup(`${end}\n`)];
    blocks.push(block(`${turnKind}-${index}`, turnKind, index === 0 ? [...before, ...segments] : segments));
  }
  const last = ask(question, turns.length);
  blocks.push(block('final', 'final', turns.length === 0 ? [...before, ...last] : last));
  return { blocks, bos: 'never' };
}

/** For models without a chat template. */
export function plainFormat({ system, greeting, passages, turns, turnKind, question }: PromptContent): BlockPlan {
  const blocks: PlannedBlock[] = [];
  const opening = system ?? (passages.length > 0 ? plainInstruction : undefined);
  const greeted = greeting === undefined ? '' : `Answer: ${greeting}\n\n`;
  if (opening !== undefined || greeting !== undefined) {
    blocks.push(block('system', 'system', [plain(`${opening === undefined ? '' : `${opening}\n\n`}${greeted}`)]));
  }
  blocks.push(...passages.map((one) => block(one.id, 'passage', [plain(plainPassageEntry(one))], one.previous)));
  for (const [index, { user, assistant }] of turns.entries()) {
    const text = `Question: ${user}\nAnswer: ${assistant}\n\n`;
    blocks.push(block(`${turnKind}-${index}`, turnKind, [plain(text)]));
  }
  blocks.push(block('final', 'final', [plain(`Question: ${question}\nAnswer:`)]));
  return { blocks, bos: 'auto', answerAfterSpace: true };
}
