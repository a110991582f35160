#!/usr/bin/env node
/**
 * The native library compiled for every platform, each as an npm package: `npm run build:kernels`.
 *
 *   node scripts/prebuild.mjs                     all platforms, into packages/engine/native/build/packages
 *   node scripts/prebuild.mjs linux-x64 …         these
 *   node scripts/prebuild.mjs --out FOLDER …      into FOLDER, a package a folder
 *   node scripts/prebuild.mjs --run …             also runs the native test programs with each library that this machine
 *                                                 can run: its own, musl's (`apt-get install musl`), ARM64 under
 *                                                 emulation (`apt-get install qemu-user g++-aarch64-linux-gnu`)
 *
 * Cross-compiled by Zig, which like the reader of the results comes from PyPI: needs Python with pip, and no compiler. Of
 * every library it checks what it exports (what packages/engine/src/ggml looks up, nothing more), what it needs (the system's C library
 * alone, in an old version), whose sources it names, and, while it is compiled, the layout of every struct
 * (packages/engine/native/src/layout.h). Exit status 1 and the reasons when one is not as it must be.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { libraryName } from '../packages/engine/native/recipe.mjs';
import { faultsOf, inspect } from './prebuild/check-library.mjs';
import { compileLibrary } from './prebuild/compile.mjs';
import { manifestOf, packageName, packageVersion, platforms } from './prebuild/platforms.mjs';
import { runPrograms } from './prebuild/run-programs.mjs';
import { installTools } from './prebuild/tools.mjs';
import { packages, readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const readme = (platform) => `# ${packageName(platform)}

The native library of \`block-attention\`, compiled for ${platform.name}. It
is installed with that package where it fits, and is of no use alone.
`;

async function makePackage(platform, out, tools) {
  const folder = join(out, `kernel-${platform.name}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const library = join(folder, libraryName(platform.os));
  await compileLibrary(platform, library, tools);
  const faults = faultsOf(library, platform, inspect(library, tools));
  if (faults.length > 0) throw new Error(`${platform.name}: ${faults.join('; ')}`);
  const manifest = manifestOf(platform, readManifest(packages.engine));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(join(folder, 'README.md'), readme(platform));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  return library;
}

const { values, positionals } = parseArgs({
  options: { out: { type: 'string' }, run: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !platforms.some((platform) => platform.name === name));
try {
  if (unknown !== undefined) {
    throw new Error(`unknown platform ${unknown}; known are ${platforms.map(({ name }) => name).join(', ')}`);
  }
  const out = resolve(values.out ?? join(root, 'packages', 'engine', 'native', 'build', 'packages'));
  const tools = installTools();
  console.log(`version ${packageVersion()}, into ${out}`);
  for (const platform of platforms) {
    if (positionals.length > 0 && !positionals.includes(platform.name)) continue;
    const start = performance.now();
    const library = await makePackage(platform, out, tools);
    console.log(`${platform.name}: as it must be, ${((performance.now() - start) / 1000).toFixed(0)} s`);
    if (values.run) for (const line of await runPrograms(platform, library, tools)) console.log(`  ${line}`);
  }
} catch (error) {
  console.error(`prebuild: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
