/**
 * Retrieval on paragraphs with known questions, and telling questions the index cannot answer:
 *   npx tsx bench/quality/retrieval.ts --data FOLDER [--every 6] [--embed MODEL [--threads N]]
 * FOLDER holds JSONL files of `{title, text, questions: [{question}]}` or `{question, title, text}`. Recall is compared with a
 * plain BM25 (k1 1.2, b 0.75, words in lower case, nothing else) over the same paragraphs, and with `--embed` by vectors and
 * by both, with the difference of both to the words alone over the same questions. Intervals are 95 %: Wilson's for shares,
 * the normal approximation of a paired difference for gains.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { openEmbedder } from '../../src/rag/index.ts';
import { printResult, round } from '../support/harness.ts';
import { indexParagraphs } from '../support/paragraph-index.ts';
import { shareWithInterval } from '../support/share.ts';

interface Paragraph {
  readonly title: string;
  readonly text: string;
  readonly questions: readonly string[];
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    every: { type: 'string', default: '6' },
    embed: { type: 'string' },
    threads: { type: 'string' },
  },
});
if (values.data === undefined) throw new Error('--data FOLDER is missing');
const every = Number(values.every);
function read(file: string): Paragraph[] {
  const merged = new Map<string, { title: string; text: string; questions: string[] }>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.trim() === '') continue;
    const { title, text, question, questions } = JSON.parse(line);
    const entry = merged.get(`${title}\0${text}`) ?? {
      title: String(title).replaceAll('_', ' '),
      text,
      questions: [] as string[],
    };
    if (question !== undefined) entry.questions.push(question);
    for (const item of questions ?? []) entry.questions.push(item.question);
    merged.set(`${title}\0${text}`, entry);
  }
  return [...merged.values()];
}

const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function plainBm25(texts: readonly string[]): (question: string) => number[] {
  const postings = new Map<string, Map<number, number>>();
  const lengths = texts.map((text, i) => {
    const words = wordsOf(text);
    for (const word of words) {
      const list = postings.get(word) ?? new Map<number, number>();
      list.set(i, (list.get(i) ?? 0) + 1);
      postings.set(word, list);
    }
    return words.length;
  });
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return (question) => {
    const scores = new Map<number, number>();
    for (const word of wordsOf(question)) {
      const list = postings.get(word);
      if (list === undefined) continue;
      const idf = Math.log(1 + (texts.length - list.size + 0.5) / (list.size + 0.5));
      for (const [i, count] of list) {
        const norm = count + 1.2 * (0.25 + (0.75 * (lengths[i] ?? 0)) / mean);
        scores.set(i, (scores.get(i) ?? 0) + (idf * count * 2.2) / norm);
      }
    }
    return [...scores]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 10)
      .map(([i]) => i);
  };
}

const files = readdirSync(values.data).filter((name) => name.endsWith('.jsonl'));
const sets = new Map(files.map((name) => [name, read(join(values.data ?? '', name))]));
const all = [...sets.values()].flat();
const rows: Record<string, string | number>[] = [];
const embedder =
  values.embed === undefined
    ? undefined
    : await openEmbedder(values.embed, values.threads === undefined ? {} : { threads: Number(values.threads) });
const ways = embedder === undefined ? (['text'] as const) : (['text', 'vector', 'hybrid'] as const);

{
  await using made = await indexParagraphs(all, { embedder });
  const { index } = made;
  const plain = plainBm25(all.map(({ title, text }) => `${title}\n${text}`));
  let number = 0;
  for (const [name, paragraphs] of sets) {
    const found = new Map(ways.map((by) => [by as string, { at1: [] as boolean[], at10: [] as boolean[], ms: 0 }]));
    const plain10: boolean[] = [];
    for (const paragraph of paragraphs) {
      const id = all.indexOf(paragraph);
      // The same text may stand in two paragraphs.
      const same = (i: number) => all[i]?.text === paragraph.text;
      for (const question of paragraph.questions) {
        if (paragraph.questions.length > 1 && number++ % every !== 0) continue;
        plain10.push(plain(question).includes(id));
        for (const by of ways) {
          const started = performance.now();
          const hits = await index.search(question, { top: 10, by });
          const way = found.get(by);
          if (way === undefined) continue;
          way.ms += performance.now() - started;
          const numbers = hits.map(({ chunk }) => Number.parseInt(chunk.path, 10));
          way.at10.push(numbers.some(same));
          way.at1.push(numbers.slice(0, 1).some(same));
        }
      }
    }
    const share = (list: readonly boolean[]) => shareWithInterval(list.filter(Boolean).length, list.length);
    const words = found.get('text')?.at10 ?? [];
    rows.push({ data: name, by: 'plain BM25', questions: plain10.length, 'recall@10': share(plain10) });
    for (const [by, { at1, at10, ms }] of found) {
      const gain = by === 'text' ? {} : { 'gain@10 over text': pairedGain(at10, words) };
      const recall = { 'recall@1': share(at1), 'recall@10': share(at10), ...gain };
      rows.push({ data: name, by, questions: at10.length, ...recall, ms: round(ms / at10.length) });
    }
  }
}

/** By how many percentage points more of the same questions are found. */
function pairedGain(after: readonly boolean[], before: readonly boolean[]): string {
  const differences = after.map((one, i) => Number(one) - Number(before[i]));
  const mean = differences.reduce((sum, one) => sum + one, 0) / differences.length;
  const variance = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (differences.length - 1);
  const half = 1.96 * Math.sqrt(variance / differences.length);
  const points = (value: number) => round(100 * value, 1);
  return `${points(mean)} (${points(mean - half)} to ${points(mean + half)})`;
}

// Every other subject left out of the index: its questions cannot be answered from it.
const floors: Record<string, string | number>[] = [];
const byTitle = [...sets.values()].find((paragraphs) => paragraphs.some(({ questions }) => questions.length > 1));
if (byTitle !== undefined) {
  const titles = [...new Set(byTitle.map(({ title }) => title))];
  const inside = new Set(titles.filter((_, i) => i % 2 === 0));
  await using made = await indexParagraphs(byTitle.filter(({ title }) => inside.has(title)));
  const { index } = made;
  const coverages: { known: boolean; coverage: number }[] = [];
  let number = 0;
  for (const { title, questions } of byTitle) {
    for (const question of questions) {
      if (number++ % every !== 0) continue;
      const hits = await index.search(question, { top: 3 });
      coverages.push({ known: inside.has(title), coverage: Math.max(0, ...hits.map(({ coverage }) => coverage)) });
    }
  }
  const known = coverages.filter((entry) => entry.known);
  const unknown = coverages.filter((entry) => !entry.known);
  let ordered = 0;
  for (const a of known)
    for (const b of unknown) ordered += a.coverage > b.coverage ? 1 : a.coverage === b.coverage ? 0.5 : 0;
  const auc = round(ordered / (known.length * unknown.length), 3);
  for (const floor of [0.3, 0.35, 0.4, 0.45, 0.5]) {
    const below = (list: typeof coverages) =>
      round(list.filter(({ coverage }) => coverage < floor).length / list.length, 3);
    floors.push({ floor, auc, 'refused, in the index': below(known), 'refused, not in the index': below(unknown) });
  }
}

console.table(rows);
console.table(floors);
printResult({ bench: 'retrieval', machine: describeMachine(), embedder: embedder?.reference ?? null, rows, floors });
await embedder?.[Symbol.asyncDispose]();
