/**
 * Pages with a table of any kind that people keep (models compared, shipping, contacts, maintenance, limits, …), made up
 * from seeded names and numbers, with questions about its cells: a cell by its row and column, a row by its cell, and a
 * row that the table does not have.
 */
import type { Random } from '@block-attention/engine/internal/base';
import type { ManualPage, PageQuestion } from './made-up-page.ts';
import { columns, type TableColumn } from './table-columns.ts';
import { type TableTopic, topics } from './table-topics.ts';

interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** @param product invented name of what the page is about */
export function tablePage(random: Random, product: string): ManualPage {
  const topic = random.pick(topics);
  const names = random.shuffle(topic.rows);
  const shown = names.slice(0, Math.min(names.length - 1, 3 + random.integer(6)));
  const absent = names[shown.length] ?? '';
  const chosen = random.shuffle(topic.columns).slice(0, 1 + random.integer(Math.min(4, topic.columns.length)));
  const used = chosen.map((name) => columns[name] ?? fail(name));
  const rows = shown.map((name) => ({ name, cells: used.map(({ value }) => value(random)) }));
  const across = topic.compared === true && random.uniform() < 0.5;
  const table = across ? acrossTable(used, rows) : downTable(topic, used, rows);
  const questions = rows.flatMap((row, r) =>
    used.map((column, c): PageQuestion => {
      const evidence = across ? (table.lines[c] ?? '') : (table.lines[r] ?? '');
      const cell = row.cells[c] ?? '';
      const unique = rows.every(({ cells }, other) => other === r || cells[c] !== cell);
      return unique && random.uniform() < 0.25
        ? { question: fill(column.which, topic, row.name, cell, product, random), answer: row.name, evidence }
        : { question: fill(column.ask, topic, row.name, cell, product, random), answer: cell, evidence };
    }),
  );
  const [first] = used;
  const unsaid: PageQuestion[] =
    first === undefined
      ? []
      : [{ question: fill(first.ask, topic, absent, '', product, random), answer: undefined, evidence: undefined }];
  const title = random.pick(topic.titles).replace('{it}', product);
  return {
    kind: `table of ${topic.name}`,
    markdown: `# ${title}\n\n${random.pick(openings).replace('{it}', product)}\n\n${table.markdown}\n\n${random.pick(closings)}\n`,
    questions: [...random.shuffle(questions), ...unsaid],
  };
}

function downTable(topic: TableTopic, used: readonly TableColumn[], rows: readonly Row[]) {
  const lines = rows.map(({ name, cells }) => line([name, ...cells]));
  return { lines, markdown: markdownTable([topic.first, ...used.map(({ label }) => label)], lines) };
}

/** What is compared stands in the header, and each row is one of its properties. */
function acrossTable(used: readonly TableColumn[], rows: readonly Row[]) {
  const lines = used.map(({ label }, c) => line([label, ...rows.map(({ cells }) => cells[c] ?? '')]));
  return { lines, markdown: markdownTable(['', ...rows.map(({ name }) => name)], lines) };
}

function markdownTable(header: readonly string[], lines: readonly string[]): string {
  return [line(header), line(header.map(() => '---')), ...lines].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function fill(
  forms: readonly [string, ...string[]],
  topic: TableTopic,
  row: string,
  cell: string,
  product: string,
  random: Random,
): string {
  return random
    .pick(forms)
    .replaceAll('{row}', topic.article === true ? `the ${row}` : row)
    .replaceAll('{which}', topic.first.toLowerCase())
    .replaceAll('{cell}', cell)
    .replaceAll('{it}', product);
}

function fail(name: string): never {
  throw new Error(`no column ${name}`);
}

const openings = [
  'This page applies to all versions.',
  'The figures below are typical values.',
  'Ask the office if something is missing here.',
  'Please read this before you write to us.',
  'Valid from the first of the month.',
  'All of this can change without notice.',
  'We keep this table up to date for {it}.',
  'If in doubt, this table counts.',
] as const;
const closings = [
  'Last checked in spring.',
  'Send corrections to the editor of this page.',
  'Values were measured at room temperature.',
  'Exceptions need a written agreement.',
  'Older pages are kept in the archive.',
  'See the next chapter for details.',
] as const;
