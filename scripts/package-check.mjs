#!/usr/bin/env node
/**
 * The packages as their users get them: `npm run check:package`.
 *
 * Packs both, lints the archives (publint, are the types wrong) and installs each into an empty folder. The engine alone
 * answers from passages, takes no more room than it is allowed, and brings neither index nor charts nor server. The whole
 * package opens every door, holds its types in a strict program, and runs the command line. Takes minutes; needs the package
 * registry.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installedSize, mostEngineMiB } from './installed-size.mjs';
import { platforms } from './prebuild/platforms.mjs';
import { packages, publicDoors, readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'block-attention-package-'));
const environment = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache') };
/** What has no place below the engine. */
const notForEngine = [
  '@lancedb',
  'apache-arrow',
  'vega',
  'vega-lite',
  'hono',
  '@hono',
  'pino',
  'prom-client',
  'commander',
];

function run(command, args, cwd, quiet = true) {
  console.log(`$ ${command} ${args.join(' ')}`);
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio, env: environment });
}

/** Packs and lints. @returns the archive's path */
function pack(source) {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], source));
  const archive = join(folder, packed.filename);
  console.log(`${packed.name}: ${packed.files.length} files, ${(packed.size / 2 ** 20).toFixed(1)} MiB packed`);
  run('npx', ['publint', archive, '--strict'], root, false);
  return archive;
}

/** An empty project with packages installed. */
function project(name, ...wanted) {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  install(at, ...wanted);
  return at;
}

function install(at, ...wanted) {
  run('npm', ['install', '--no-audit', '--no-fund', ...wanted], at, false);
}

/** Compiles a strict program that imports all of these. */
function checkTypes(at, specifiers) {
  const imports = specifiers.map((specifier, i) => `import * as door${i} from '${specifier}';`);
  const used = specifiers.map((_, i) => `door${i}`).join(', ');
  writeFileSync(join(at, 'program.ts'), `${imports.join('\n')}\nconsole.log([${used}]);\n`);
  const strict = '--strict --noEmit --skipLibCheck --module nodenext --target es2023 --types node'.split(' ');
  run('npx', ['tsc', ...strict, 'program.ts'], at, false);
}

const openAll = (at, specifiers) =>
  run('node', ['--input-type=module', '-e', specifiers.map((name) => `await import('${name}')`).join(';')], at);

function checkEngine(archive) {
  const at = project('engine-alone', archive);
  const modules = join(at, 'node_modules');
  // A release names these with its library's packages, which no other machine installs: check-install.mjs.
  for (const { ggml, cpu } of platforms) {
    if (ggml !== undefined && cpu !== process.arch) rmSync(join(modules, ggml), { recursive: true, force: true });
  }
  const { mib, parts } = installedSize(modules);
  console.log(`the engine, installed: ${mib.toFixed(1)} MiB in ${parts.length} packages`);
  for (const [name, size] of parts.slice(0, 8)) console.log(`  ${size.toFixed(1).padStart(5)} MiB ${name}`);
  if (mib > mostEngineMiB) throw new Error(`the engine takes ${mib.toFixed(1)} MiB: at most ${mostEngineMiB}`);
  const found = notForEngine.filter((name) => existsSync(join(modules, name)));
  if (found.length > 0) throw new Error(`the engine brings ${found.join(', ')}`);
  const model = join(root, 'models', 'embedded.gguf');
  const program = `
    import { createEngine } from '@block-attention/engine';
    const engine = await createEngine({ modelPath: ${JSON.stringify(model)} });
    const passages = [{ title: 'Vellmar Bridge', text: 'The Vellmar Bridge was opened in 1911.' }];
    const question = 'When was the Vellmar Bridge opened?';
    const { text, mode } = await engine.answer({ passages, question, mode: 'block', maxTokens: 8 }).result;
    console.log(JSON.stringify({ text, mode, attention: engine.attention }));
    await engine.close();`;
  const answer = run('node', ['--input-type=module', '-e', program], at).trim();
  console.log(answer);
  if (JSON.parse(answer).text.trim() !== '1911') throw new Error(`the engine alone answers ${answer}`);
}

function checkMain(engine, archive, manifest) {
  const at = project('user', engine, archive);
  const specifiers = publicDoors(manifest).map(({ door }) => `block-attention${door.slice(1)}`);
  openAll(
    at,
    specifiers.filter((name) => !/\/(langchain|ai-sdk)$/.test(name)),
  );
  const command = 'node_modules/.bin/block-attention';
  const demo = run(command, ['demo', '--model', 'embedded', '--json'], at).trim().split('\n').at(-1);
  if (JSON.parse(demo) === null) throw new Error('the demo printed nothing');
  console.log(run(command, ['--version'], at).trim());
  const versionOf = (name) => manifest.devDependencies?.[name] ?? manifest.dependencies?.[name];
  const peers = [...Object.keys(manifest.peerDependencies ?? {}), 'typescript', '@types/node'];
  install(at, ...peers.map((name) => `${name}@${versionOf(name)}`));
  openAll(at, specifiers);
  const ofEngine = publicDoors(readManifest(packages.engine)).map(
    ({ door }) => `@block-attention/engine${door.slice(1)}`,
  );
  checkTypes(at, [...specifiers, ...ofEngine]);
}

try {
  const engine = pack(packages.engine);
  const main = pack(packages.main);
  // Node's ESM alone is promised: no CommonJS, no resolution from before Node 12.
  for (const archive of [engine, main]) run('npx', ['attw', archive, '--profile', 'esm-only'], root, false);
  checkEngine(engine);
  checkMain(engine, main, readManifest());
  console.log('the packages install, their doors open, their types hold, the command runs');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
