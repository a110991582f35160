#!/usr/bin/env node
/**
 * Publishes what scripts/pack-release.mjs made: the native library's packages, the engine that names them, then the
 * package that names the engine.
 *
 *   node scripts/publish-release.mjs [--from FOLDER] [-- options of npm publish]
 *
 * A version that the registry has is left out: the library's packages only get a new one when their sources, or what
 * compiles them, changed. Which registry, and with what token, is npm's configuration.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from './prebuild/tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const shell = process.platform === 'win32';

function manifestOf(archive) {
  return JSON.parse(run(['tar', '-xzOf', archive, 'package/package.json']));
}

function isPublished({ name, version }) {
  try {
    return run(['npm', 'view', `${name}@${version}`, 'version'], { shell }) !== '';
  } catch (error) {
    if (/\bE404\b/.test(error.message)) return false;
    throw error;
  }
}

const { values, positionals } = parseArgs({ options: { from: { type: 'string' } }, allowPositionals: true });
try {
  const folder = resolve(values.from ?? join(root, 'packages', 'engine', 'native', 'build', 'release'));
  const archives = readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name))
    .map((archive) => ({ archive, manifest: manifestOf(archive) }));
  const kernels = archives.filter(({ manifest }) => manifest.blockAttention !== undefined);
  const named = (name) => archives.filter(({ manifest }) => manifest.name === name);
  const packages = [...named('@block-attention/engine'), ...named('block-attention')];
  if (packages.length !== 2 || kernels.length === 0)
    throw new Error(`${folder} holds no release: npm run release:pack`);
  for (const { archive, manifest } of [...kernels, ...packages]) {
    const { name, version } = manifest;
    if (isPublished(manifest)) {
      console.log(`${name}@${version}: is there`);
      continue;
    }
    // Versions with a suffix are for no one to choose by `latest`.
    const tag = version.includes('-') ? ['--tag', 'kernel'] : [];
    run(['npm', 'publish', archive, '--access', 'public', ...tag, ...positionals], { shell });
    console.log(`${name}@${version}: published`);
  }
} catch (error) {
  console.error(`publish: ${error.message}`);
  process.exitCode = 1;
}
