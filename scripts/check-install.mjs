#!/usr/bin/env node
/**
 * The release as users of each package manager get it: `npm run check:install`.
 *
 *   node scripts/check-install.mjs             npm without scripts, pnpm, Yarn 4 (node_modules, Plug'n'Play) and 1, Bun
 *   node scripts/check-install.mjs npm bun     these
 *
 * Publishes packages/engine/native/build/release (`npm run build:kernels && npm run release:pack`) to a registry on this machine that passes
 * everything else on, installs the package into an empty project, and asks the embedded model with the installed command.
 * No install script runs, and no compiler is on the path. Exit status 1 when one does not compute natively. Some
 * minutes; needs the package registry. Yarn looks up the optional packages of all platforms: where the registry lacks one
 * of another platform, an empty package stands in for it, and the output says so.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { installedSize, mostEngineMiB } from './installed-size.mjs';
import { run } from './prebuild/tools.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = { verdaccio: '6.2.0', pnpm: '12.21.0', '@yarnpkg/cli-dist': '4.18.1', yarn: '1.22.22', bun: '1.4.5' };
const folder = mkdtempSync(join(tmpdir(), 'block-attention-install-'));
const upstream = run(['npm', 'config', 'get', 'registry']);

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** The engine's optional packages of other platforms that the registry npm is set to does not have, as empty packages. */
function missingPlatforms(release) {
  const archive = readdirSync(release).find((name) => /^block-attention-engine-.*\.tgz$/.test(name));
  if (archive === undefined) throw new Error('the engine is not packed: npm run release:pack');
  const manifest = JSON.parse(run(['tar', '-xzOf', join(release, archive), 'package/package.json']));
  return Object.entries(manifest.optionalDependencies ?? {}).flatMap(([name, version]) => {
    if (name.startsWith('@block-attention/')) return [];
    const view = JSON.parse(run(['npm', 'view', name, 'versions', 'os', 'cpu', '--json'], { cwd: folder }));
    if ([view.versions].flat().includes(version)) return [];
    const [os, cpu] = [view.os, view.cpu].map((list) => [list].flat());
    if (os.includes(process.platform) && cpu.includes(process.arch)) {
      throw new Error(`the registry has no ${name}@${version}, which this machine computes with`);
    }
    return [{ name, version, os, cpu }];
  });
}

function publishEmpty(manifest, env) {
  const at = mkdtempSync(join(folder, 'empty-'));
  writeFileSync(join(at, 'package.json'), JSON.stringify(manifest));
  run(['npm', 'publish', '--access', 'public'], { cwd: at, env });
  console.log(`${manifest.name}@${manifest.version}: not in the registry; an empty package stands in`);
}

/**
 * A registry of this machine's own: ours are published to it, all others come from the one that npm is set to.
 * @param own further names that are published to it
 */
async function startRegistry(tools, own) {
  const at = join(folder, 'registry');
  mkdirSync(at);
  const port = await freePort();
  const ours = ['@block-attention/*', 'block-attention', ...own].map(
    (name) => `  '${name}': { access: $all, publish: $all }\n`,
  );
  writeFileSync(
    join(at, 'config.yaml'),
    `storage: ${join(at, 'storage')}\nuplinks:\n  up: { url: '${upstream}', maxage: 60m, timeout: 120s }\n` +
      `packages:\n${ours.join('')}  '**': { access: $all, proxy: up }\nmax_body_size: 200mb\n` +
      `log: { type: stdout, level: warn }\nserver: { keepAliveTimeout: 0 }\n`,
  );
  const command = join(tools, 'node_modules', 'verdaccio', 'bin', 'verdaccio');
  const argv = [command, '--config', join(at, 'config.yaml'), '--listen', `127.0.0.1:${port}`];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}/`;
  for (let tries = 0; ; tries++) {
    const alive = await fetch(`${url}-/ping`).then(
      (response) => response.ok,
      () => false,
    );
    if (alive) return { url, child };
    if (child.exitCode !== null || tries > 240) throw new Error('the registry did not start');
    await sleep(250);
  }
}

/** How a manager installs into the project it is started in, without scripts. */
const managers = {
  npm: () => [['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', 'block-attention']],
  pnpm: ({ bin }) => [
    [bin('pnpm'), 'add', '--config.minimumReleaseAge=0', '--config.strictDepBuilds=false', 'block-attention'],
  ],
  yarn4: ({ script }) => [[process.execPath, script('@yarnpkg/cli-dist/bin/yarn.js'), 'add', 'block-attention']],
  'yarn4-pnp': ({ script }) => [[process.execPath, script('@yarnpkg/cli-dist/bin/yarn.js'), 'add', 'block-attention']],
  yarn1: ({ script }) => [
    [process.execPath, script('yarn/bin/yarn.js'), 'add', '--ignore-scripts', '--no-progress', 'block-attention'],
  ],
  bun: ({ bin }) => [[bin('bun'), 'add', '--ignore-scripts', 'block-attention']],
};

/** How what is installed is started where there is no node_modules. */
const launchers = {
  'yarn4-pnp': ({ script }) => [process.execPath, script('@yarnpkg/cli-dist/bin/yarn.js'), 'block-attention'],
};

function project(name, url) {
  const at = join(folder, name);
  mkdirSync(at);
  writeFileSync(join(at, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  writeFileSync(join(at, '.npmrc'), `registry=${url}\n`);
  writeFileSync(
    join(at, '.yarnrc.yml'),
    `npmRegistryServer: '${url}'\nunsafeHttpWhitelist: ['127.0.0.1']\nenableScripts: false\n` +
      `nodeLinker: ${name.endsWith('-pnp') ? 'pnp' : 'node-modules'}\n` +
      `npmMinimalAgeGate: 0\nenableTelemetry: false\nenableImmutableInstalls: false\n`,
  );
  return at;
}

/** The environment of an install: a home of its own, and of programs Node and npm alone. */
function environment(url) {
  const home = join(folder, 'home');
  const programs = join(folder, 'programs');
  mkdirSync(home, { recursive: true });
  mkdirSync(programs, { recursive: true });
  for (const name of ['node', 'npm', 'npx']) {
    const from = join(dirname(process.execPath), name);
    if (existsSync(from) && !existsSync(join(programs, name))) symlinkSync(from, join(programs, name));
  }
  for (const name of ['sh', 'env', 'uname', 'dirname', 'basename', 'sed', 'readlink', 'cat']) {
    const from = ['/bin', '/usr/bin'].map((place) => join(place, name)).find((path) => existsSync(path));
    if (from !== undefined && !existsSync(join(programs, name))) symlinkSync(from, join(programs, name));
  }
  const path = process.platform === 'win32' ? process.env.PATH : [programs].join(delimiter);
  return {
    PATH: path,
    HOME: home,
    USERPROFILE: home,
    npm_config_registry: url,
    BLOCK_ATTENTION_CACHE: join(folder, 'cache'),
    BLOCK_ATTENTION_OFFLINE: '1',
    CI: '1',
  };
}

/** The installed command in node_modules, whose library was not compiled here. */
function installedCommand(at) {
  const installed = join(at, 'node_modules', 'block-attention');
  const engine = createRequire(join(realpathSync(installed), 'package.json')).resolve(
    '@block-attention/engine/package.json',
  );
  if (existsSync(join(dirname(engine), 'native', 'build'))) throw new Error('the library was compiled at install');
  return [process.execPath, join(installed, 'dist', 'cli', 'main.js')];
}

/** What the installed command says of itself. */
function ask(at, launcher, env) {
  const passages = join(at, 'passages.jsonl');
  writeFileSync(passages, '{"title":"Vellmar Bridge","text":"The Vellmar Bridge was opened in 1911."}\n');
  const argv = ['ask', '--model', 'embedded', '--passages', passages, '--no-store', '--json', '--max-tokens', '8'];
  const line = run([...launcher, ...argv, 'When was the Vellmar Bridge opened?'], { cwd: at, env })
    .split('\n')
    .at(-1);
  const { answer, attention } = JSON.parse(line);
  if (answer !== '1911' || attention !== 'native') throw new Error(`it answers "${answer}", by ${attention} attention`);
  return `answers "${answer}" by ${attention} attention`;
}

/** What the engine alone takes on the disk, with all that it depends on. */
function engineAlone(url, env) {
  const at = project('engine-alone', url);
  run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '@block-attention/engine'], { cwd: at, env });
  const { mib, parts } = installedSize(join(at, 'node_modules'));
  if (mib > mostEngineMiB) throw new Error(`the engine takes ${mib.toFixed(1)} MiB: at most ${mostEngineMiB}`);
  return `${mib.toFixed(1)} MiB installed: ${parts
    .slice(0, 6)
    .map(([name, size]) => `${name} ${size.toFixed(1)}`)
    .join(', ')}`;
}

const named = process.argv.slice(2);
const unknown = named.find((name) => managers[name] === undefined);
let registry;
try {
  if (unknown !== undefined)
    throw new Error(`unknown manager ${unknown}; known are ${Object.keys(managers).join(', ')}`);
  const release = join(root, 'packages', 'engine', 'native', 'build', 'release');
  if (!existsSync(release) || readdirSync(release).length === 0)
    throw new Error('nothing is packed: npm run release:pack');
  const tools = join(folder, 'tools');
  mkdirSync(tools);
  // Verdaccio asks for this one by a tag, which not every mirror keeps.
  writeFileSync(join(tools, 'package.json'), '{"private":true,"overrides":{"node-fetch":"2.7.0"}}');
  const wanted = Object.entries(versions).map(([name, version]) => `${name}@${version}`);
  run(['npm', 'install', '--no-audit', '--no-fund', '--save-exact', ...wanted], { cwd: tools });
  const absent = missingPlatforms(release);
  registry = await startRegistry(
    tools,
    absent.map(({ name }) => name),
  );
  const { url } = registry;
  // A name for the publisher: the registry takes anybody's.
  writeFileSync(join(folder, 'npmrc'), `registry=${url}\n${url.replace(/^http:/, '')}:_authToken=anybody\n`);
  const env = { ...process.env, npm_config_userconfig: join(folder, 'npmrc'), npm_config_registry: url };
  console.log(run([process.execPath, join(root, 'scripts', 'publish-release.mjs')], { env }));
  for (const manifest of absent) publishEmpty(manifest, env);
  const places = {
    bin: (name) => join(tools, 'node_modules', '.bin', name),
    script: (path) => join(tools, 'node_modules', path),
  };
  console.log(`the engine alone: ${engineAlone(url, environment(url))}`);
  for (const name of named.length > 0 ? named : Object.keys(managers)) {
    try {
      const at = project(name, url);
      for (const argv of managers[name](places)) run(argv, { cwd: at, env: environment(url), timeout: 900_000 });
      const launcher = launchers[name]?.(places) ?? installedCommand(at);
      console.log(`${name}: ${ask(at, launcher, environment(url))}`);
    } catch (error) {
      console.error(`${name}: ${error.message}`);
      process.exitCode = 1;
    }
  }
} catch (error) {
  console.error(`install: ${error.message}`);
  process.exitCode = 1;
} finally {
  registry?.child.kill();
  rmSync(folder, { recursive: true, force: true });
}
