#!/usr/bin/env node
/**
 * What is published: the packages and the native library's, as archives: `npm run release:pack`.
 *
 *   node scripts/pack-release.mjs [--out FOLDER]     from dist/ and packages/engine/native/build/packages, into packages/engine/native/build/release
 *   node scripts/pack-release.mjs linux-x64 …        with the library for these platforms alone: to try, not to publish
 *
 * The engine's own package.json names none of the library's packages, since they are on no registry before a release
 * and `npm ci` must work without them; a clone compiles the library. The published one names them all as optional
 * dependencies, in the version that belongs to its sources, and has no scripts to run at install.
 * Needs `npm ci` and `npm run build:kernels`; refuses packages of other sources.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packageName, packageVersion, platforms } from './prebuild/platforms.mjs';
import { run } from './prebuild/tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'packages', 'engine', 'native', 'build', 'packages');

/** @returns the archive's path */
function pack(folder, to) {
  const argv = ['npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', to];
  const [{ filename }] = JSON.parse(run(argv, { cwd: folder, shell: process.platform === 'win32' }));
  return join(to, filename);
}

/** The manifest of a package as it is published. @param kernels packages that it gets where they fit, with their versions */
function published({ scripts: _scripts, devDependencies: _tools, workspaces: _rooms, ...manifest }, kernels) {
  const optionalDependencies = { ...manifest.optionalDependencies, ...kernels };
  // These come with the library's packages.
  for (const { ggml } of platforms) delete optionalDependencies[ggml];
  return { ...manifest, ...(Object.keys(optionalDependencies).length > 0 && { optionalDependencies }) };
}

function packPackage(source, out, kernels = {}) {
  if (!existsSync(join(source, 'dist', 'index.js'))) throw new Error(`${source}/dist is missing: npm run build`);
  const work = mkdtempSync(join(tmpdir(), 'block-attention-release-'));
  try {
    run(['tar', '-xzf', pack(source, work), '-C', work]);
    const folder = join(work, 'package');
    const file = join(folder, 'package.json');
    const manifest = published(JSON.parse(readFileSync(file, 'utf8')), kernels);
    writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
    return pack(folder, out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function packKernel(platform, out) {
  const folder = join(built, `kernel-${platform.name}`);
  if (!existsSync(join(folder, 'package.json'))) {
    throw new Error(`${packageName(platform)} is not built: npm run build:kernels -- ${platform.name}`);
  }
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (version !== packageVersion()) {
    throw new Error(`${folder} is ${version}, of other sources: npm run build:kernels -- ${platform.name}`);
  }
  return pack(folder, out);
}

const { values, positionals } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true });
try {
  const chosen = platforms.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  if (chosen.length === 0) throw new Error(`unknown platform ${positionals[0]}`);
  const out = resolve(values.out ?? join(root, 'packages', 'engine', 'native', 'build', 'release'));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const platform of chosen) console.log(packKernel(platform, out));
  const kernels = Object.fromEntries(chosen.map((platform) => [packageName(platform), packageVersion()]));
  console.log(packPackage(join(root, 'packages', 'engine'), out, kernels));
  console.log(packPackage(root, out));
} catch (error) {
  console.error(`release: ${error.message}`);
  process.exitCode = 1;
}
