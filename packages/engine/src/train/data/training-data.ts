/**
 * Training samples from JSON lines, told apart line by line:
 *   `{blocks: [string], question, answer}`
 *   `{question, answers: [string], passages: [{title?, text}]}`    and the same with `ctxs` (DPR and KILT, best first)
 *   `{questions: [{question, answers}], passages}`                 several questions over the same passages
 *   `{messages: [{role, content}], documents?: [{title?, text}]}`  a conversation that ends with the assistant
 * `answer` wins over `answers`, of which the first is trained on; `answers: []` says that the passages do not answer, which
 * is then what is trained on. `system` is optional but in conversations. Further fields are ignored, blank lines skipped.
 * Nothing is repaired: an error names file, line and field.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BlockAttentionError } from '../../errors.ts';
import { checkRow, invalidData, notInDocuments, type Passage, rowPassage, type Turn } from '../../prompt/index.ts';

export interface TrainingSample {
  /** Where it stands, such as `train.jsonl:3`. */
  readonly where: string;
  readonly system: string | undefined;
  /** In the order of the prompt; none for plain conversations. */
  readonly passages: readonly Passage[];
  /** Earlier turns of a conversation. */
  readonly history: readonly Turn[];
  /** All over the same passages: they are read once, and each question trains as it would alone. At least one. */
  readonly questions: readonly QuestionAnswer[];
}

export interface QuestionAnswer {
  readonly question: string;
  readonly answer: string;
}

export interface DataReadOptions {
  /** Samples to read, from the first. Defaults to all. */
  readonly limit?: number | undefined;
  /** Passages to keep of each sample, from the first. Defaults to all. */
  readonly passagesPerSample?: number | undefined;
  /** Answer to questions that the passages do not answer. Defaults to what `ask` says of them. */
  readonly refusal?: string | undefined;
}

const text = z.string().refine((value) => value.trim() !== '', 'is empty');
const passages = z.array(z.object({ title: z.string().nullish(), text })).min(1, 'is empty');
const common = { question: text, system: text.optional() };
const answered = { answer: text.optional(), answers: z.array(text).optional() };
const message = z.object({ role: z.enum(['system', 'user', 'assistant']), content: text });
const schemas = {
  messages: z.object({
    messages: z.array(message).min(2, 'needs a user and an assistant message'),
    documents: passages.optional(),
  }),
  blocks: z.object({ ...common, answer: text, blocks: z.array(text).min(1, 'is empty') }),
  questions: z.object({
    system: common.system,
    questions: z.array(z.object({ question: text, ...answered })).min(1, 'is empty'),
    passages,
  }),
  passages: z.object({ ...common, ...answered, passages }),
  ctxs: z.object({ ...common, ...answered, ctxs: passages }),
};

/** @throws INVALID_DATA naming file, line and field */
export async function readTrainingData(path: string, options: DataReadOptions = {}): Promise<TrainingSample[]> {
  const { limit = Infinity, passagesPerSample = Infinity, refusal = notInDocuments } = options;
  if (refusal.trim() === '') {
    throw new BlockAttentionError('INVALID_ARGUMENT', 'refusal is empty: give a sentence, such as "Not stated."');
  }
  const samples: TrainingSample[] = [];
  for (const [index, line] of (await readLines(path)).entries()) {
    if (samples.length >= limit) break;
    if (line.trim() === '') continue;
    const sample = parseSample(line, `${path}:${index + 1}`, refusal);
    samples.push({ ...sample, passages: sample.passages.slice(0, passagesPerSample) });
  }
  if (samples.length === 0) throw invalidData(`${path} holds no samples: give at least one`);
  return samples;
}

/** One line. @throws INVALID_DATA */
export function parseSample(line: string, where: string, refusal = notInDocuments): TrainingSample {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalidData(`${where} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidData(`${where} is not an object: write {"question": …, "answers": […], "passages": [{"text": …}]}`);
  }
  if ('messages' in value) return conversation(checkRow(schemas.messages, value, where), where);
  if ('blocks' in value) {
    const { blocks, question, answer, system } = checkRow(schemas.blocks, value, where);
    const read = blocks.map((block) => ({ text: block }));
    return { where, system, passages: read, history: [], questions: [{ question, answer }] };
  }
  if ('questions' in value) {
    const read = checkRow(schemas.questions, value, where);
    const { system, questions } = read;
    return {
      where,
      system,
      passages: read.passages.map(rowPassage),
      history: [],
      questions: questions.map((one, index) => questionOf(one, where, `questions[${index}].`, refusal)),
    };
  }
  if ('passages' in value) {
    const read = checkRow(schemas.passages, value, where);
    return overPassages(read, read.passages, where, refusal);
  }
  if ('ctxs' in value) {
    const read = checkRow(schemas.ctxs, value, where);
    return overPassages(read, read.ctxs, where, refusal);
  }
  throw invalidData(`${where}: field "passages" is missing: give "passages", "ctxs", "blocks" or "messages"`);
}

type Passages = z.infer<typeof passages>;

interface Read {
  readonly question: string;
  readonly answer?: string | undefined;
  readonly answers?: readonly string[] | undefined;
}

function overPassages(
  read: Read & { readonly system?: string | undefined },
  found: Passages,
  where: string,
  refusal: string,
): TrainingSample {
  const { system } = read;
  const questions = [questionOf(read, where, '', refusal)];
  return { where, system, passages: found.map(rowPassage), history: [], questions };
}

function questionOf({ question, answer, answers }: Read, where: string, at: string, refusal: string): QuestionAnswer {
  if (answer === undefined && answers === undefined) {
    throw invalidData(`${where}: field "${at}answers" is missing: give "answer" or "answers"`);
  }
  return { question, answer: answer ?? answers?.[0] ?? refusal };
}

function conversation({ messages, documents = [] }: z.infer<typeof schemas.messages>, where: string): TrainingSample {
  const [first, ...others] = messages;
  const system = first?.role === 'system' ? first.content : undefined;
  const turns = first !== undefined && system === undefined ? [first, ...others] : others;
  const offset = messages.length - turns.length;
  turns.forEach(({ role }, index) => {
    const expected = index % 2 === 0 ? 'user' : 'assistant';
    if (role !== expected) {
      throw invalidData(`${where}: field "messages[${index + offset}].role" is "${role}": expected "${expected}"`);
    }
  });
  if (turns.length < 2 || turns.length % 2 !== 0) {
    throw invalidData(`${where}: field "messages" ends with a user message: the last one is what is trained on`);
  }
  const history = Array.from({ length: turns.length / 2 }, (_, i) => ({
    user: turns[2 * i]?.content ?? '',
    assistant: turns[2 * i + 1]?.content ?? '',
  }));
  const last = history.pop() ?? { user: '', assistant: '' };
  const questions = [{ question: last.user, answer: last.assistant }];
  return { where, system, passages: documents.map(rowPassage), history, questions };
}

async function readLines(path: string): Promise<string[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw invalidData(`training data cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\n');
  } catch (cause) {
    throw invalidData(`${path} is not UTF-8: convert the file to UTF-8`, cause);
  }
}
