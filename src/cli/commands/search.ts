/** `search`: what the index has on a question, without asking a model. */
import type { Command } from 'commander';
import type { DocumentsState, SearchHit } from '../../rag/index.ts';
import { addRetrievalOptions, openDocuments, type RetrievalFlags, retrievalOf } from '../options/index-options.ts';
import { counted, formatCount, formatMs } from '../terminal/format.ts';
import type { CliIo, CommandContext } from '../terminal/io.ts';
import { printable, printableLine } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';

interface SearchFlags extends RetrievalFlags {
  readonly text?: boolean;
  readonly json?: boolean;
}

export function addSearch(program: Command, context: CommandContext): void {
  const command = program
    .command('search')
    .description('find passages of the index for a question, best first')
    .argument('<question>', 'the question')
    .option('--text', 'print whole passages')
    .option('--json', 'result as one line of JSON');
  addRetrievalOptions(command).action((question: string, flags: SearchFlags) => search(question, flags, context.io));
}

async function search(question: string, flags: SearchFlags, io: CliIo): Promise<void> {
  const output = new Output(io, flags);
  const retrieval = await retrievalOf(flags);
  await using opened = await openDocuments(flags, { io, output, create: false });
  const started = performance.now();
  const documents = await opened.index.documents();
  const hits = await opened.index.search(question, { ...retrieval, signal: io.signal });
  const ms = performance.now() - started;
  for (const { chunk, rank } of hits) {
    output.print(`${output.bold(`[${rank}] ${printableLine(chunk.source)}`)}  ${printableLine(chunk.title)}`);
    if (flags.text === true) output.print(`${printable(chunk.text)}\n`);
    else output.print(output.faint(`    ${excerpt(chunk.text)}`));
  }
  output.note(`${counted(hits.length, 'passage')} in ${formatMs(ms)} from ${opened.index.directory}`);
  for (const line of incomplete(documents)) output.note(line);
  output.result({ hits: hits.map(reportHit), documents, ms, index: opened.index.directory });
}

/** What is to be said of documents that are not read to their end. */
export function incomplete({ state, files: { done, total } }: DocumentsState): string[] {
  const far = total === 0 ? '' : `: ${formatCount(done)} of ${formatCount(total)} files so far`;
  switch (state) {
    case 'ready':
      return [];
    case 'empty':
      return ['the index has no passages: `block-attention index FOLDER` adds some'];
    case 'reading':
      return [`the documents are still being read${far}`];
    case 'unfinished':
      return [`reading the documents ended early${far}; \`block-attention index FOLDER\` goes on`];
  }
}

/** A hit for programs. */
export function reportHit({ chunk, rank, score, ranks, coverage, rerankScore }: SearchHit) {
  const { root, path, type, title, text, startLine, endLine, page, place: part, tokens } = chunk;
  const place = { source: chunk.source, root, path, type, title, startLine, endLine, page, place: part };
  return { rank, ...place, score, ranks, coverage, rerankScore, tokens, text };
}

function excerpt(text: string): string {
  const line = printable(text.replaceAll(/\s+/g, ' ').trim());
  return line.length <= 100 ? line : `${line.slice(0, 99)}…`;
}
