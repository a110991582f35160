#!/usr/bin/env node
/**
 * Holds the house to docs/architecture.md: imports go down the layers, types included; folders have at most 20 source
 * files, files at most 400 lines, tests excepted.
 *
 *   node scripts/layers.mjs
 *
 * Exit status 1 with a line for each fault.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Rooms of `src`, from the bottom up. Rooms of one layer do not see each other. */
const layers = [
  ['errors.ts', 'part-names.ts', 'version.ts', 'random.ts'],
  ['abort.ts', 'scoring'],
  ['platform'],
  ['ggml', 'hub'],
  ['model'],
  ['prompt', 'store'],
  ['engine'],
  ['eval', 'train', 'rag', 'queue'],
  ['tasks', 'adapt'],
  ['server'],
  ['adapters'],
  ['cli'],
  ['index.ts'],
];
/** Down the layers, and still not allowed. */
const apart = [['server', 'eval']];

const mostFiles = 20;
const mostLines = 400;

const layerOf = new Map(layers.flatMap((rooms, layer) => rooms.map((room) => [room, layer])));
const faults = [];
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx', '*.mjs'],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .trim()
  .split('\n');
const isTest = (file) => /\.test\.tsx?$/.test(file);

const perFolder = new Map();
for (const file of files) {
  const text = readFileSync(join(root, file), 'utf8');
  const lines = text.split('\n').length - 1;
  if (lines > mostLines && !isTest(file)) faults.push(`${file} has ${lines} lines: at most ${mostLines}, split it`);
  if (!isTest(file)) perFolder.set(posix.dirname(file), (perFolder.get(posix.dirname(file)) ?? 0) + 1);
  if (file.startsWith('src/') && !isTest(file) && !file.includes('/testing/')) checkImports(file, text);
}
for (const [folder, count] of perFolder) {
  if (count > mostFiles) faults.push(`${folder} has ${count} source files: at most ${mostFiles}, give it subfolders`);
}

/** The first folder below src, or the file's own name. */
function roomOf(file) {
  return file.split('/')[1] ?? '';
}

function checkImports(file, text) {
  const room = roomOf(file);
  if (!layerOf.has(room)) return void faults.push(`${file}: src/${room} has no layer: name it in scripts/layers.mjs`);
  for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
    if (!fileName.startsWith('.')) continue;
    const other = roomOf(posix.normalize(posix.join(posix.dirname(file), fileName)));
    if (other === room) continue;
    const down = (layerOf.get(other) ?? Number.POSITIVE_INFINITY) < (layerOf.get(room) ?? -1);
    const refused = apart.some(([from, to]) => from === room && to === other);
    if (!down || refused) faults.push(`${file} imports ${fileName}: src/${room} does not see src/${other}`);
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
