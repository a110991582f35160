/** What a compiled library must be: whole, of these sources, and in need of nothing but the system's own libraries. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { here, sourcesDigest } from '../../packages/engine/native/recipe.mjs';

const machines = { x64: /^(?:X86_64|AMD64)$/, arm64: /^(?:AARCH64|ARM64)$/ };
/** What the loader does not ask for, but the test programs do. */
const forTests = ['ba_linear_run', 'ba_experts_run'];
/** What Zig's linker gives every library of macOS. */
const ofLinker = ['_mh_dylib_header', '__dso_handle'];

/** Names of the functions that packages/engine/src/ggml looks up in the library. */
export function wantedExports() {
  const folder = join(here, '..', 'src', 'ggml');
  const sources = readdirSync(folder, { recursive: true }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  );
  const named = sources.flatMap((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return [...text.matchAll(/\.func\(\s*'[^'(]*?\b(ba_\w+)\(|\bsymbol\('(ba_\w+)'\)/g)].map(([, a, b]) => a ?? b);
  });
  return [...new Set([...named, ...forTests])].sort();
}

const versionOf = (text) => text.split('.').map(Number);
function isLater(a, b) {
  const [x, y] = [versionOf(a), versionOf(b)];
  const at = x.findIndex((part, i) => part !== (y[i] ?? 0));
  return at >= 0 && x[at] > (y[at] ?? 0);
}

/** @returns what is wrong with the library, a line each */
export function faultsOf(file, { cpu, needs, glibc, macos }, found) {
  const faults = [];
  const wanted = wantedExports();
  const missing = wanted.filter((name) => !found.exports.includes(name));
  const surplus = found.exports.filter((name) => !wanted.includes(name) && !(macos && ofLinker.includes(name)));
  if (!machines[cpu].test(found.machine)) faults.push(`it is for ${found.machine}`);
  if (missing.length > 0) faults.push(`it lacks ${missing.join(', ')}`);
  if (surplus.length > 0) faults.push(`it exports ${surplus.join(', ')} besides`);
  const foreign = found.libraries.filter((name) => !needs.test(name));
  if (foreign.length > 0) faults.push(`it needs ${foreign.join(', ')}`);
  const late = (found.versions ?? []).filter((name) => glibc && isLater(name.replace(/^GLIBC_/, ''), glibc));
  if (late.length > 0) faults.push(`it needs ${[...new Set(late)].join(', ')}, and ${glibc} is to do`);
  if (found.executableStack === true) faults.push('its stack is executable');
  if (found.signed === false && cpu === 'arm64') faults.push('it is not signed, and macOS would not load it');
  if (macos && found.oldestSystem && isLater(found.oldestSystem, macos))
    faults.push(`it needs macOS ${found.oldestSystem}`);
  if (!readFileSync(file).includes(sourcesDigest())) faults.push('it does not name the digest of these sources');
  return faults;
}

/** What lief finds in the file. */
export function inspect(file, tools) {
  const program = fileURLToPath(new URL('inspect_library.py', import.meta.url));
  return JSON.parse(tools.python([program, file]));
}
