#!/usr/bin/env node
/**
 * Runs the demo and scripts/smoke.mjs with other versions of Node, taken from the packages `node-<platform>-<cpu>`.
 *
 *   node scripts/node-versions.mjs                 the oldest and the newest of those supported
 *   node scripts/node-versions.mjs 20.20 22 24 26   the newest release of each
 *
 * Runs what is built in dist/; needs the package registry. Prints what each version did; exit status 1 when one failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const supported = ['20.20', '22', '24', '26'];
const named = process.argv.slice(2);
const versions = named.length > 0 ? named : [supported[0], supported.at(-1)];
const name = `node-${process.platform}-${process.arch}`;
const folder = mkdtempSync(join(tmpdir(), 'block-attention-node-'));
const env = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache'), BLOCK_ATTENTION_OFFLINE: '1' };

function install(version) {
  const prefix = join(folder, version);
  const argv = ['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', `${name}@${version}`];
  const { status, stderr } = spawnSync('npm', argv, { encoding: 'utf8', shell: process.platform === 'win32' });
  if (status !== 0) throw new Error(`npm install ${name}@${version}: ${stderr.trim()}`);
  return join(prefix, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

function run(node, argv) {
  const result = spawnSync(node, argv, { cwd: root, encoding: 'utf8', env, timeout: 300_000 });
  if (result.status === 0) return result.stdout;
  const reason = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
  throw new Error(`${argv.join(' ')} ended with ${result.signal ?? result.status}: ${reason}`);
}

function demo(node) {
  const { questions } = JSON.parse(
    run(node, ['dist/cli/main.js', 'demo', '--model', 'embedded', '--json']).trim().split('\n').at(-1),
  );
  const right = questions.filter(({ block }) => block.right).length;
  if (right < questions.length) throw new Error(`the demo answered ${right} of ${questions.length} in block mode`);
  return `demo: ${right} of ${questions.length} answered in block mode`;
}

try {
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  for (const version of versions) {
    try {
      const node = install(version);
      console.log(`Node ${run(node, ['--version']).trim()}: ${demo(node)}`);
      process.stdout.write(run(node, ['scripts/smoke.mjs']));
    } catch (error) {
      console.error(`Node ${version}: ${error.message}`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
