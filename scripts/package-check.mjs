#!/usr/bin/env node
/**
 * The package as its users get it: `npm run check:package`.
 *
 * Packs, lints the tarball (publint, are the types wrong), installs it into an empty folder, imports every door, compiles
 * a strict program against the types, and runs the command line. Takes a minute or two; needs the package registry.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = readManifest();
const folder = mkdtempSync(join(tmpdir(), 'block-attention-package-'));
const environment = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache') };

function run(command, args, cwd, quiet = true) {
  console.log(`$ ${command} ${args.join(' ')}`);
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio, env: environment });
}

try {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root));
  const tarball = join(folder, packed.filename);
  console.log(`${packed.files.length} files, ${(packed.size / 2 ** 20).toFixed(1)} MiB packed`);
  run('npx', ['publint', tarball, '--strict'], root, false);
  // Node's ESM alone is promised: no CommonJS, no resolution from before Node 12.
  run('npx', ['attw', tarball, '--profile', 'esm-only'], root, false);

  const user = join(folder, 'user');
  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  const peers = Object.keys(manifest.peerDependencies ?? {}).map((name) => {
    const version = manifest.devDependencies?.[name] ?? manifest.dependencies?.[name];
    return version === undefined ? name : `${name}@${version}`;
  });
  run('npm', ['install', '--no-audit', '--no-fund', tarball], user, false);
  const doors = Object.keys(manifest.exports).filter((door) => !door.endsWith('.json'));
  const alone = doors.filter((door) => !['./langchain', './ai-sdk'].includes(door));
  const importAll = (list) => list.map((door) => `await import('block-attention${door.slice(1)}')`).join(';');
  run('node', ['--input-type=module', '-e', importAll(alone)], user);
  const cli = ['node_modules/.bin/block-attention'];
  const demo = run(cli[0], ['demo', '--json'], user).trim().split('\n').at(-1);
  if (JSON.parse(demo) === null) throw new Error('the demo printed nothing');
  console.log(run(cli[0], ['--version'], user).trim());

  run(
    'npm',
    [
      'install',
      '--no-audit',
      '--no-fund',
      ...peers,
      `typescript@${manifest.devDependencies.typescript}`,
      `@types/node@${manifest.devDependencies['@types/node']}`,
    ],
    user,
    false,
  );
  run('node', ['--input-type=module', '-e', importAll(doors)], user);
  const lines = doors.map((door, i) => `import * as door${i} from 'block-attention${door.slice(1)}';`);
  writeFileSync(join(user, 'program.ts'), `${lines.join('\n')}\nconsole.log([${doors.map((_, i) => `door${i}`)}]);\n`);
  const strict = [
    '--strict',
    '--noEmit',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
  ];
  run('npx', ['tsc', ...strict, 'program.ts'], user, false);
  console.log('the package installs, its doors open, its types hold, its command runs');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
