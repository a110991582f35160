#!/usr/bin/env node
/**
 * Holds the house to docs/architecture.md: imports go down the layers, types included; the upper package sees the engine
 * by its doors alone; folders have at most 20 source files, files at most 400 lines, tests excepted. Both packages have
 * one version, and the upper one asks for exactly that.
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
import { packages, readManifest } from './read-manifest.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** How the upper package names the engine. */
const name = '@block-attention/engine';
/** Rooms of each package's sources, from the bottom up. Rooms of one layer do not see each other. */
const houses = {
  'packages/engine/src': [
    ['errors.ts', 'part-names.ts', 'version.ts', 'random.ts'],
    ['abort.ts', 'cleanup.ts', 'scoring'],
    ['base.ts', 'platform'],
    ['ggml'],
    ['model'],
    ['prompt', 'store'],
    ['engine'],
    ['eval', 'train'],
    ['index.ts'],
  ],
  src: [
    ['hub', 'eval', 'train'],
    ['rag', 'queue'],
    ['tasks', 'adapt'],
    ['server'],
    ['adapters'],
    ['cli'],
    ['index.ts'],
  ],
};
/** Down the layers, and still not allowed. */
const apart = [['server', 'eval']];

const mostFiles = 20;
const mostLines = 400;

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
  const house = Object.keys(houses).find((folder) => file.startsWith(`${folder}/`));
  if (house !== undefined && !isTest(file) && !file.includes('/testing/')) checkImports(house, file, text);
}
for (const [folder, count] of perFolder) {
  if (count > mostFiles) faults.push(`${folder} has ${count} source files: at most ${mostFiles}, give it subfolders`);
}

function checkImports(house, file, text) {
  const layerOf = (room) => houses[house].findIndex((rooms) => rooms.includes(room));
  /** The first folder below the house, or the file's own name. */
  const roomOf = (path) => path.slice(house.length + 1).split('/')[0];
  const room = roomOf(file);
  if (layerOf(room) < 0)
    return void faults.push(`${file}: ${house}/${room} has no layer: name it in scripts/layers.mjs`);
  for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
    if (house !== 'src' && /^(@block-attention\/engine|block-attention)(\/|$)/.test(fileName)) {
      faults.push(`${file} imports ${fileName}: within the engine, imports are relative`);
    }
    if (!fileName.startsWith('.')) continue;
    const path = posix.normalize(posix.join(posix.dirname(file), fileName));
    if (!path.startsWith(`${house}/`)) {
      faults.push(`${file} imports ${fileName}: packages see each other by their doors, as ${name}/…`);
      continue;
    }
    const other = roomOf(path);
    if (other === room) continue;
    const down = layerOf(other) >= 0 && layerOf(other) < layerOf(room);
    const refused = apart.some(([from, to]) => from === room && to === other);
    if (!down || refused) faults.push(`${file} imports ${fileName}: ${house}/${room} does not see ${house}/${other}`);
  }
}

const engine = readManifest(packages.engine);
const main = readManifest();
if (engine.version !== main.version || main.dependencies[name] !== engine.version) {
  faults.push(`${name} is ${engine.version}, block-attention ${main.version} and asks for ${main.dependencies[name]}`);
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
