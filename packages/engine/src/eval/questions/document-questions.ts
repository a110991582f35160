/**
 * Questions for documents that come without any: from headings, from first sentences, and the model's own.
 *
 * They do not test knowledge: both modes read the same question over the same passages, and what is compared is
 * whether they would say the same. Knows passages, not files. The same passages give the same questions, but for the
 * model's own, which follow the model.
 */
import type { Engine, Passage } from '../../engine/index.ts';
import { createRandom } from '../../random.ts';
import { distractors } from './distractors.ts';
import type { Question } from './questions.ts';
import { headingOf, isWorded, quoted, withoutId } from './quoted-passages.ts';

export interface DocumentQuestion extends Question {
  /** What it was made from. */
  readonly from: 'heading' | 'sentence' | 'model';
}

export interface DocumentQuestionOptions {
  /** Questions to make. Defaults to 150; fewer where the documents give no more. */
  readonly count?: number | undefined;
  /** Passages of each: the one it is about, and those that look most like an answer. Defaults to 5, or all there are. */
  readonly passages?: number | undefined;
  /** Asks for questions of the model's own, a third of all. Defaults to none. */
  readonly engine?: Engine | undefined;
  /** Ends the asking of the model, which is slow; other questions take their place. Defaults to never. */
  readonly until?: AbortSignal | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

const defaultCount = 150;
const defaultPassages = 5;
/** Longest text that is quoted in a question, in characters. */
const quoteLength = 120;
const request = 'Write one short question that this document answers. Write nothing but the question.';

/** @returns as many as can be made; none of documents without text. @throws ABORTED by `signal` */
export async function documentQuestions(
  passages: readonly Passage[],
  options: DocumentQuestionOptions = {},
): Promise<DocumentQuestion[]> {
  const { count = defaultCount, engine, signal, until, onProgress } = options;
  const random = createRandom(1);
  const among = distractors(passages.map((passage) => ({ passage, asked: [] })));
  const size = Math.min(options.passages ?? defaultPassages, passages.length);
  const made: DocumentQuestion[] = [];
  const known = new Set<string>();
  const take = (index: number, from: DocumentQuestion['from'], question: string | undefined) => {
    if (question === undefined || known.has(question)) return false;
    const found = among(index, { question, answers: [] }, size);
    if (found === undefined) return false;
    known.add(question);
    made.push({ question, answers: [], passages: found.passages.map(withoutId), from });
    onProgress?.({ done: made.length, total: count });
    return true;
  };
  // Passages take turns in a drawn order, so that few questions ask about all of the documents.
  for (let round = 0; round < kinds.length && made.length < count; round++) {
    for (const [turn, index] of random.shuffle([...passages.keys()]).entries()) {
      const passage = passages[index];
      if (made.length >= count || passage === undefined) break;
      const kind = kinds[(turn + round) % kinds.length];
      if (kind === 'heading') take(index, kind, fromHeading(passage));
      else if (kind === 'model' && engine !== undefined && !until?.aborted) {
        take(index, kind, await fromModel(engine, passage, signal));
      } else take(index, 'sentence', fromSentence(passage));
    }
  }
  return made;
}

const kinds = ['heading', 'sentence', 'model'] as const;

function fromHeading(passage: Passage): string | undefined {
  const heading = headingOf(passage);
  return isWorded(heading) ? `What do the documents say about ${quoted(heading, quoteLength)}?` : undefined;
}

function fromSentence({ text }: Passage): string | undefined {
  const sentence = /^.*?\S.*?(?:[.!?。！？](?=\s|$)|\n|$)/su.exec(text.trim())?.[0].trim() ?? '';
  return isWorded(sentence)
    ? `What else do the documents say about this: ${quoted(sentence, quoteLength)}?`
    : undefined;
}

/** Null of a model that writes none: base models go on with the document instead. */
async function fromModel(
  engine: Engine,
  passage: Passage,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const room = engine.model.contextTokens - engine.tokenizer.count(passage.text) - 256;
  if (room < 0) return undefined;
  const { text } = await engine.answer({
    question: request,
    passages: [withoutId(passage)],
    mode: 'full',
    maxTokens: 32,
    stop: ['\n'],
    prefixReuse: false,
    signal,
  }).result;
  const question = /^(?:question: *)?["“]?(\p{L}[^\n?？]{8,200}[?？])/iu.exec(text.trim())?.[1];
  return question;
}
