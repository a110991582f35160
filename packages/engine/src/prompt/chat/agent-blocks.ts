/**
 * A conversation with tools cut into blocks: what stands before the tools, a block per tool, the rest of the instruction,
 * a block per passage in the first message of the user's, a block per finished exchange, and the exchange under way. The
 * template is rendered once and everything found by marks. Templates write tools wherever they like: into the instruction
 * (Hermes, Qwen), the first message of the user's (Llama 3) or the last (Mistral).
 *
 * Invariants: the blocks' texts joined are the rendering; nothing that a caller wrote (messages, definitions, arguments,
 * names) spells a control token; a tool's block holds the tool alone, and the separator before it, so it is the same in any
 * order and company (but for the first of a list with commas, which has none before it). Where a template writes a tool's definition neither as JSON nor as a type of TypeScript (gpt-oss),
 * tools have no blocks of their own.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { CheckedPassage } from '../input-checks.ts';
import { announcement, passageEntry } from '../plan/wording.ts';
import type { ChatTemplate, RenderOptions, TemplateMessage } from '../template/chat-template.ts';
import { type BlockPlan, block, type PlannedBlock, type Segment } from '../types.ts';
import type { AgentMessage, AgentRequest } from './agent-messages.ts';
import { createMarks, type Marks } from './chat-marks.ts';
import { chatShape } from './chat-shape.ts';
import { declaredTools } from './tool-declarations.ts';

/** Text that may spell a control token: those of all families have one of these. */
const spelling = /[<>[\]|\uFF5C\u2581]/;
const mostDepth = 64;

/** @throws INVALID_TEMPLATE where the template fails or loses a content; INVALID_ARGUMENT for names that spell markup */
export function agentPlan(
  { messages, tools }: AgentRequest,
  passages: readonly CheckedPassage[],
  template: ChatTemplate,
  context: Pick<RenderOptions, 'variables' | 'now'>,
): BlockPlan {
  const options = { ...context, generationPrompt: true };
  const cleaned = messages.map((message) => withoutReasoning(message, template));
  const written = [template.source, JSON.stringify(cleaned), JSON.stringify(tools), JSON.stringify(passages)];
  const marker = new Marker(createMarks(written), template.source.includes('.thinking'));
  const values = tools.map(({ name, description, parameters }) =>
    marker.taint({
      type: 'function',
      function: {
        name,
        ...(description !== undefined && { description }),
        parameters: parameters ?? { type: 'object', properties: {} },
      },
    }),
  );
  const first = cleaned.findIndex(({ role, content }) => role === 'user' && content !== '');
  const marked = cleaned.map((message, index) => marker.message(message, index, index === first ? passages : []));
  const rendered = template.render(marked, {
    ...options,
    tools: { values: values as object[], frame: (index) => marker.frame({ tool: index }) },
  });
  const found = marker.read(rendered);
  if (found === undefined || found.passages.length < passages.length) {
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      'the chat template cuts or repeats what a message or a tool says, so it cannot be told from markup: leave tools out',
    );
  }
  const names = tools.map(({ name }) => name);
  const pieces = found.tools.length > 0 ? found : { ...found, tools: declaredTools(found, names) };
  const shape = chatShape(template, options);
  const ofTools = toolCuts(pieces, names);
  const cuts = [...ofTools, ...turnCuts(pieces, cleaned, { tail: shape.tail, ofTools, passages })];
  // Where a turn begins at the end of the tools, the turn is what begins.
  const sorted = cuts.map((cut, order) => ({ ...cut, order })).sort((a, b) => a.at - b.at || a.order - b.order);
  return { blocks: blocksOf(pieces.text, pieces.plain, sorted), bos: 'auto' };
}

export interface Place {
  readonly start: number;
  readonly end: number;
}

/** A rendering without its marks. */
export interface Pieces {
  readonly text: string;
  /** Where callers' text stands, ascending. */
  readonly plain: readonly Place[];
  /** Where each tool's definition stands, by its number: each once, or none at all. */
  readonly tools: readonly Place[];
  /** Where each passage stands, by its number. */
  readonly passages: readonly Place[];
  /** Where each message's content stands, by its number; absent for those without. */
  readonly contents: ReadonlyMap<number, Place>;
}

interface Meaning {
  readonly opens: boolean;
  readonly tool?: number;
  readonly message?: number;
  readonly passage?: number;
}

/** Marks what callers wrote, and finds it again. */
class Marker {
  readonly #marks: Marks;
  readonly #meanings: Meaning[] = [];
  readonly #thinking: boolean;

  /** @param thinking whether reasoning is also given by the name of `thinking`: of messages without words, as some insist */
  constructor(marks: Marks, thinking: boolean) {
    this.#marks = marks;
    this.#thinking = thinking;
  }

  frame(about: Omit<Meaning, 'opens'>): readonly [string, string] {
    this.#meanings.push({ ...about, opens: true }, { ...about, opens: false });
    const count = this.#meanings.length;
    return [this.#marks.at(count - 2), this.#marks.at(count - 1)];
  }

  #framed(text: string, about: Omit<Meaning, 'opens'> = {}): string {
    const [before, behind] = this.frame(about);
    return before + text + behind;
  }

  /** Texts that may spell markup, marked. Others stay as they are: templates compare them. @throws INVALID_ARGUMENT */
  taint(value: unknown, depth = 0): unknown {
    if (depth > mostDepth)
      throw new BlockAttentionError('INVALID_ARGUMENT', `tools: nested more than ${mostDepth} deep`);
    if (typeof value === 'string') return spelling.test(value) ? this.#framed(value) : value;
    if (Array.isArray(value)) return value.map((item) => this.taint(item, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => {
        if (!spelling.test(name)) return [name, this.taint(item, depth + 1)];
        throw new BlockAttentionError(
          'INVALID_ARGUMENT',
          `tools: ${JSON.stringify(name)} is not a name: use letters and digits`,
        );
      }),
    );
  }

  message(message: AgentMessage, index: number, passages: readonly CheckedPassage[]): TemplateMessage {
    const entries = passages.map((passage, at) => this.#framed(passageEntry(passage), { passage: at }));
    const told = entries.length > 0 ? `${announcement}${entries.join('')}\n${message.content}` : message.content;
    const content = told === '' ? '' : this.#framed(told, { message: index });
    if (message.role === 'tool') {
      const { id, name } = message;
      return {
        role: 'tool',
        content,
        tool_call_id: this.taint(id),
        ...(name !== undefined && { name: this.taint(name) }),
      };
    }
    if (message.role !== 'assistant') return { role: message.role, content };
    const { calls = [], reasoning } = message;
    const tool_calls = calls.map(({ id, name, arguments: given }) => ({
      id: this.taint(id),
      type: 'function',
      function: { name: this.taint(name), arguments: this.taint(given) },
    }));
    return {
      role: 'assistant',
      content,
      ...(reasoning && { reasoning_content: this.#framed(reasoning) }),
      ...(reasoning && this.#thinking && content === '' && { thinking: this.#framed(reasoning) }),
      ...(tool_calls.length > 0 && { tool_calls }),
    };
  }

  /** Undefined where marks are lost, doubled or crossed. */
  read(rendered: string): Pieces | undefined {
    const plain: Place[] = [];
    const tools: Place[] = [];
    const passages: Place[] = [];
    const contents = new Map<number, Place>();
    const open: { readonly meaning: Meaning; readonly start: number }[] = [];
    let text = '';
    for (const { index, before } of this.#marks.all(rendered)) {
      text += before;
      if (index === undefined) break;
      const meaning = this.#meanings[index];
      if (meaning === undefined) return undefined;
      if (meaning.opens) {
        open.push({ meaning, start: text.length });
        continue;
      }
      const last = open.pop();
      const { tool, message, passage } = last?.meaning ?? {};
      if (tool !== meaning.tool || message !== meaning.message || passage !== meaning.passage) return undefined;
      const place = { start: last?.start ?? 0, end: text.length };
      if (open.length === 0) plain.push(place);
      if (meaning.tool !== undefined) {
        if (tools[meaning.tool] !== undefined) return undefined;
        tools[meaning.tool] = place;
      }
      if (meaning.passage !== undefined) passages[meaning.passage] = place;
      if (meaning.message !== undefined) {
        if (contents.has(meaning.message)) return undefined;
        contents.set(meaning.message, place);
      }
    }
    return open.length > 0 ? undefined : { text, plain, tools, passages, contents };
  }
}

interface Cut extends Pick<PlannedBlock, 'id' | 'kind' | 'previous'> {
  readonly at: number;
}

/** A block per tool, the separator in front of it; what follows the last is a block of its own. */
function toolCuts({ text, tools }: Pieces, names: readonly string[]): Cut[] {
  const [first] = tools;
  const inOrder =
    tools.length === names.length &&
    tools.every((tool, i) => tool && (i === 0 || tool.start >= (tools[i - 1]?.end ?? 0)));
  if (first === undefined || !inOrder) return [];
  const second = tools[1];
  const separator = second ? text.slice(first.end, second.start) : '';
  // Where the first has the same in front of it as the others, its block does not depend on its place.
  const start =
    separator !== '' && text.endsWith(separator, first.start) ? first.start - separator.length : first.start;
  const starts = tools.map((_, i) => (i === 0 ? start : (tools[i - 1]?.end ?? 0)));
  const cuts: Cut[] = starts.map((at, i) => ({ at, id: `tool:${names[i]}`, kind: 'tool' }));
  return [...cuts, { at: tools.at(-1)?.end ?? text.length, id: 'system-end', kind: 'system' }];
}

interface TurnParts {
  readonly tail: Readonly<Record<'system' | 'user' | 'assistant', string | undefined>>;
  readonly ofTools: readonly Cut[];
  readonly passages: readonly CheckedPassage[];
}

/** A block per exchange; the last begins the final block. Passages are in front of the first question. */
function turnCuts(
  { text, contents, passages: places }: Pieces,
  messages: readonly AgentMessage[],
  { tail, ofTools, passages }: TurnParts,
): Cut[] {
  const users = messages.flatMap(({ role }, index) => (role === 'user' && contents.has(index) ? [index] : []));
  const [toolsStart, toolsEnd] = [ofTools[0]?.at ?? -1, ofTools.at(-1)?.at ?? -1];
  return users.flatMap((index, turn): Cut[] => {
    const start = contents.get(index)?.start ?? 0;
    const before = messages[index - 1];
    const from = contents.get(index - 1)?.end ?? 0;
    const end = before?.role === 'assistant' ? tail.assistant : tail.system;
    const found = end ? text.lastIndexOf(end, start) : -1;
    let at = found >= from && end ? found + end.length : start;
    while (text[at] === '\n' && at < start) at++;
    const cuts: Cut[] = [];
    if (toolsStart >= at && toolsEnd <= start) {
      // Tools within this message: what leads to them changes with neither them nor the question.
      if (turn > 0) cuts.push({ at, id: 'tools', kind: 'system' });
      at = toolsEnd;
    }
    const last = places.at(-1);
    if (turn === 0 && last !== undefined) {
      // The announcement belongs to what is the same in all prompts.
      if (at > 0) cuts.push({ at, id: 'documents', kind: 'system' });
      cuts.push(
        ...places.map(({ start: first }, i): Cut => {
          const { id = String(i), previous } = passages[i] ?? {};
          return { at: first, id, kind: 'passage', previous };
        }),
      );
      at = last.end;
    }
    const own =
      turn === users.length - 1
        ? { id: 'final', kind: 'final' as const }
        : { id: `turn-${turn}`, kind: 'turn' as const };
    return [...cuts, { at, ...own }];
  });
}

function blocksOf(text: string, plain: readonly Place[], given: readonly Cut[]): PlannedBlock[] {
  const last = given.at(-1);
  // Without a question, what goes on after the tools is the final block.
  const closed: readonly Cut[] = last?.kind === 'final' ? given : [{ at: 0, id: 'final', kind: 'final' }];
  const cuts: readonly Cut[] = [{ at: 0, id: 'system', kind: 'system' }, ...closed];
  const blocks = cuts.map(({ at, id, kind, previous }, i) => {
    const end = cuts[i + 1]?.at ?? text.length;
    return block(id, kind, segmentsOf(text, plain, at, Math.max(at, end)), previous);
  });
  return blocks.filter(({ segments }) => segments.length > 0);
}

function segmentsOf(text: string, plain: readonly Place[], start: number, end: number): Segment[] {
  const segments: Segment[] = [];
  let at = start;
  for (const place of plain) {
    const from = Math.max(place.start, start);
    const to = Math.min(place.end, end);
    if (from >= to) continue;
    segments.push({ text: text.slice(at, from), special: true }, { text: text.slice(from, to), special: false });
    at = to;
  }
  return [...segments, { text: text.slice(at, end), special: true }];
}

/** Templates of reasoning models cut the reasoning out of earlier answers; done here, so that no mark is lost. */
function withoutReasoning(message: AgentMessage, { source }: ChatTemplate): AgentMessage {
  const content = message.content.trim();
  const end = '</think>';
  if (message.role !== 'assistant' || !source.includes(end)) return { ...message, content };
  const at = content.lastIndexOf(end);
  return { ...message, content: at < 0 ? content : content.slice(at + end.length).trimStart() };
}
