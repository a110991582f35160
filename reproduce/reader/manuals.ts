/** Made-up pages as the index cuts them, so that what is trained on looks like what is asked about. */

import type { Random } from '@block-attention/engine/internal/base';
import { chunkDocument } from '../../src/rag/chunk/chunk-document.ts';
import { parseMarkdown } from '../../src/rag/load/markup/markdown.ts';
import { codePage } from './code/code-page.ts';
import { factPage } from './facts/fact-page.ts';
import type { ManualPage } from './made-up-page.ts';
import { manualPage, productName } from './manual-pages.ts';
import { tablePage } from './manual-tables.ts';
import type { Asked, Passage, Unit } from './sources.ts';

export const manualSet = 'manuals';
export const tableSet = 'tables';
export const factSet = 'facts';
export const codeSet = 'code';

/** Long enough to matter, short enough that pages become several passages. */
const chunkTokens = 160;
const charactersPerToken = 4;

export function manualUnits(count: number, random: Random): Unit[] {
  return Array.from({ length: count }, () => unitOf(manualSet, manualPage(random)));
}

/** Pages with tables of more kinds, whose questions are partly written as people type them. */
export function tableUnits(count: number, random: Random): Unit[] {
  return typedUnits(count, random, () => unitOf(tableSet, tablePage(random, productName(random))));
}

/** Pages of statements that are alike, asked about in the same way. */
export function factUnits(count: number, random: Random): Unit[] {
  return typedUnits(count, random, () => unitOf(factSet, factPage(random, productName(random))));
}

/**
 * Passages of pages about software, asked about in the same way. Each is a unit by itself, and the others of its page are
 * distractors: the section of one version does not say what another one brought.
 */
export function codeUnits(pages: number, random: Random): Unit[] {
  return Array.from({ length: pages }, () => sectionsOf(codePage(random, productName(random))))
    .flat()
    .map((unit) => typed(unit, random));
}

function typedUnits(count: number, random: Random, make: () => Unit): Unit[] {
  return Array.from({ length: count }, () => typed(make(), random));
}

function typed(unit: Unit, random: Random): Unit {
  return { ...unit, asked: unit.asked.map((one) => ({ ...one, question: asTyped(one.question, random) })) };
}

function unitOf(set: string, { kind, markdown, questions }: ManualPage): Unit {
  const chunks = cut(markdown);
  const gold = ({ text }: Passage) => questions.some(({ evidence }) => evidence !== undefined && holds(text, evidence));
  return {
    set,
    kind,
    passages: chunks.filter(gold),
    distractors: chunks.filter((chunk) => !gold(chunk)),
    asked: questions.map(({ question, answer }) => ({ question, answer })),
  };
}

function sectionsOf({ kind, markdown, questions }: ManualPage): Unit[] {
  const chunks = cut(markdown);
  const answers = ({ title, text }: Passage, evidence: string | undefined) =>
    evidence !== undefined && holds(`${title}\n${text}`, evidence);
  return chunks.flatMap((chunk) => {
    const own = questions.filter(({ evidence }) => answers(chunk, evidence));
    if (own.length === 0) return [];
    const unsaid = questions.filter(({ answer }) => answer === undefined);
    const distractors = chunks.filter((other) => own.every(({ evidence }) => !answers(other, evidence)));
    const asked = [...own, ...unsaid].map(({ question, answer }): Asked => ({ question, answer }));
    return [{ set: codeSet, kind, passages: [chunk], distractors, asked }];
  });
}

function cut(markdown: string): Passage[] {
  const chunks = chunkDocument(parseMarkdown(markdown), {
    path: 'page.md',
    type: 'markdown',
    count: (text) => Math.ceil(text.length / charactersPerToken),
    targetTokens: chunkTokens,
  });
  return chunks.map(({ title, text }) => ({ title, text }));
}

/** A question without its capital in a third of the cases, and without its mark in a sixth. */
function asTyped(question: string, random: Random): string {
  const lower = random.uniform() < 1 / 3 ? question.charAt(0).toLowerCase() + question.slice(1) : question;
  return random.uniform() < 1 / 6 ? lower.replace(/\?$/, '') : lower;
}

/**
 * Whether a text holds another but for Markdown's marks, which the parser may write otherwise. A row of a table is held
 * by a line that has all its cells, whatever else it says of them.
 */
function holds(text: string, evidence: string): boolean {
  const plain = (value: string) => value.replaceAll(/[^\p{L}\p{N}]+/gu, ' ').trim();
  if (!evidence.startsWith('|')) return plain(text).includes(plain(evidence));
  const cells = evidence.split('|').map(plain).filter(Boolean);
  return text.split('\n').some((line) => cells.every((cell) => plain(line).includes(cell)));
}
