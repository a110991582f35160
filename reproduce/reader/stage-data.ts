/** A stage's training data, written to a file once: a run that goes on needs the very same. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { createRandom } from '@block-attention/engine/internal/base';
import { ContextStream } from './contexts.ts';
import { codeSet, codeUnits, factSet, factUnits, manualSet, manualUnits, tableSet, tableUnits } from './manuals.ts';
import type { Stage } from './recipe.ts';
import { readSources } from './sources.ts';

/** @param data folder of the question sets. @returns contexts and questions of the file */
export function writeStageData(path: string, { recipe, contexts, seed, pages }: Stage, data: string): void {
  if (existsSync(path)) return;
  const random = createRandom(seed);
  const sets = Object.keys(recipe.shares).filter((set) => ![manualSet, tableSet, factSet, codeSet].includes(set));
  const sources = readSources(data, sets);
  if (pages > 0) sources.set(manualSet, manualUnits(pages, random));
  if (recipe.shares[tableSet] !== undefined) sources.set(tableSet, tableUnits(pages, random));
  if (recipe.shares[factSet] !== undefined) sources.set(factSet, factUnits(pages, random));
  if (recipe.shares[codeSet] !== undefined) sources.set(codeSet, codeUnits(pages, random));
  const stream = new ContextStream(sources, recipe, random);
  const lines = Array.from({ length: contexts }, () => `${JSON.stringify(stream.next())}\n`);
  writeFileSync(`${path}.part`, lines.join(''));
  renameSync(`${path}.part`, path);
}
