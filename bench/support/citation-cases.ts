/**
 * Right and wrong answers to questions with known passages, as models put them, to judge what judges them.
 *
 * Right: the gold answer in one of the usual wrappings, and the passage's own sentence. Wrong, a kind each: the answer of
 * another question of the same article, of another paragraph or the same (a number for a number, a name for a name), the plausible answer of a question
 * that has none (where the set gives none, the answer to the question most like it), the right number altered, the passage's sentence negated, and a wrapping with nothing in it.
 */
export interface QuestionRow {
  readonly question: string;
  readonly answers: readonly string[];
  readonly plausible?: readonly string[];
}

export interface Paragraph {
  readonly title: string;
  readonly text: string;
  readonly qas: readonly QuestionRow[];
}

export type CaseKind =
  | 'wrapped'
  | 'sentence'
  | 'other answer'
  | 'neighbour answer'
  | 'plausible'
  | 'altered number'
  | 'negated'
  | 'empty';
export const rightKinds: readonly CaseKind[] = ['wrapped', 'sentence'];
export const wrongKinds: readonly CaseKind[] = [
  'other answer',
  'neighbour answer',
  'plausible',
  'altered number',
  'negated',
  'empty',
];

export interface AnswerCase {
  readonly kind: CaseKind;
  readonly question: string;
  readonly answer: string;
  /** Index of the paragraph that the question was asked of. */
  readonly paragraph: number;
}

const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const wrappings: readonly ((answer: string, question: string) => string)[] = [
  (answer) => answer,
  (answer) => `${upper(answer)}.`,
  (answer) => `The answer is: ${upper(answer)}.`,
  (answer) => `The answer to the question is "${answer}".`,
  (answer) => `According to the documents, it is ${answer}.`,
  (answer) => `Answer: ${answer}`,
  (answer) => `Based on the passage, the answer is ${answer}.`,
  (answer) => `It is ${answer}.`,
  (answer, question) => `The answer to the question "${question}" is: ${answer}`,
];
const emptyWrappings: readonly ((question: string) => string)[] = [
  () => 'The answer to this question is:',
  () => 'Answer:',
  () => 'The title of the passage is the answer to the question.',
  (question) => `The question is: ${question}`,
  () => 'Based on the given context, the answer can be determined as follows.',
];

export const kindOf = (answer: string) => (/\d/.test(answer) ? 'number' : /\p{Lu}/u.test(answer) ? 'name' : 'other');

/** @param most of each kind */
export function citationCases(paragraphs: readonly Paragraph[], most: number): AnswerCase[] {
  const answerable = paragraphs.flatMap(({ qas, title, text }, paragraph) =>
    qas.flatMap(({ question, answers: [answer] }) =>
      answer === undefined ? [] : [{ question, answer, paragraph, title, text }],
    ),
  );
  const unanswerable = paragraphs.flatMap(({ qas }, paragraph) =>
    qas.flatMap(({ question, answers, plausible: [given] = [] }) => {
      const answer = given ?? closest(question, qas);
      return answers.length > 0 || answer === undefined ? [] : [{ question, answer, paragraph }];
    }),
  );
  const cases: AnswerCase[] = [];
  const add = (kind: CaseKind, made: readonly (Omit<AnswerCase, 'kind'> | undefined)[]) => {
    const all = made.filter((one) => one !== undefined);
    for (const { question, answer, paragraph } of spread(all, most)) cases.push({ kind, question, answer, paragraph });
  };
  const wrap = (answer: string, question: string, at: number) =>
    wrappings[at % wrappings.length]?.(answer, question) ?? answer;
  add(
    'wrapped',
    answerable.map((one, at) => ({ ...one, answer: wrap(one.answer, one.question, at) })),
  );
  add(
    'sentence',
    answerable.map((one) => {
      const answer = sentenceWith(one.text, one.answer);
      return answer === undefined ? undefined : { ...one, answer };
    }),
  );
  const byTitle = new Map<string, typeof answerable>();
  for (const one of answerable) byTitle.set(one.title, [...(byTitle.get(one.title) ?? []), one]);
  add(
    'other answer',
    answerable.map((one, at) => {
      const same = (byTitle.get(one.title) ?? []).filter(
        ({ answer, paragraph }) =>
          paragraph !== one.paragraph && kindOf(answer) === kindOf(one.answer) && !overlap(answer, one.answer),
      );
      const other = same[(at * 7919) % Math.max(1, same.length)];
      return other === undefined ? undefined : { ...one, answer: wrap(other.answer, one.question, at) };
    }),
  );
  add(
    'neighbour answer',
    answerable.map((one, at) => {
      const same = (byTitle.get(one.title) ?? []).filter(
        ({ answer, paragraph }) =>
          paragraph === one.paragraph && kindOf(answer) === kindOf(one.answer) && !overlap(answer, one.answer),
      );
      const other = same[(at * 7919) % Math.max(1, same.length)];
      return other === undefined ? undefined : { ...one, answer: wrap(other.answer, one.question, at) };
    }),
  );
  add(
    'plausible',
    unanswerable.map((one, at) => ({ ...one, answer: wrap(one.answer, one.question, at) })),
  );
  add(
    'altered number',
    answerable.map((one, at) => {
      const altered = one.answer.replace(/\d/, (digit) => String((Number(digit) % 9) + 1));
      return altered === one.answer ? undefined : { ...one, answer: wrap(altered, one.question, at) };
    }),
  );
  add(
    'negated',
    answerable.map((one) => {
      const sentence = sentenceWith(one.text, one.answer);
      const answer = sentence?.replace(/\b(is|was|were|are|has|had|can|could|will|would|did|does)\b/, '$1 not');
      const negative = /\b(?:not|no|never|neither|nor|without|none|cannot)\b|n['’]t\b/i.test(sentence ?? '');
      return answer === undefined || answer === sentence || negative ? undefined : { ...one, answer };
    }),
  );
  add(
    'empty',
    answerable.map((one, at) => ({ ...one, answer: emptyWrappings[at % emptyWrappings.length]?.(one.question) ?? '' })),
  );
  return cases;
}

/** What is most plausible where the set does not say: the answer to the question of the same paragraph most like it. */
function closest(question: string, qas: readonly QuestionRow[]): string | undefined {
  const wordsOf = (text: string) => new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu));
  const asked = wordsOf(question);
  let [best, bestShare]: [string | undefined, number] = [undefined, 0];
  for (const other of qas) {
    const words = wordsOf(other.question);
    const share = [...asked].filter((word) => words.has(word)).length / (asked.size + words.size);
    if (other.answers[0] !== undefined && share > bestShare) [best, bestShare] = [other.answers[0], share];
  }
  return best;
}

function sentenceWith(text: string, answer: string): string | undefined {
  return text.split(/(?<=[.!?])\s+(?=\p{Lu})/u).find((sentence) => sentence.includes(answer) && sentence.length > 30);
}

function overlap(a: string, b: string): boolean {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  return left.includes(right) || right.includes(left);
}

/** As many as wanted, evenly over all. */
function spread<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]).filter(
    (one) => one !== undefined,
  );
}
