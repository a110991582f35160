// Completes package-lock.json with the packages of other platforms: `node scripts/complete-lock.mjs [--check]`.
//
// A mirror may carry only its own platform's binaries. A lock file written through it then lacks the others, and
// `npm ci` refuses it everywhere. Platform packages are pinned to exact versions by their parents, so the entries that
// are missing can be written down from the parents' lists. Also checks that no entry names where it was fetched from.
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const { packages } = lock;

const systems = {
  android: 'android',
  darwin: 'darwin',
  mac: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  openharmony: 'openharmony',
  sunos: 'sunos',
  aix: 'aix',
  win: 'win32',
  win32: 'win32',
  windows: 'win32',
};
const processors = {
  arm64: 'arm64',
  x64: 'x64',
  arm: 'arm',
  armv7l: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  mips64el: 'mips64el',
  wasm32: 'wasm32',
  universal: undefined,
};

function platformOf(name) {
  const words = name.split('/').pop().split(/[-.]/);
  const os = words.map((word) => systems[word]).find(Boolean);
  const cpu = words.map((word) => processors[word]).find(Boolean);
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return { ...(cpu && { cpu: [cpu] }), ...(os && { os: [os] }), ...(os === 'linux' && libc && { libc: [libc] }) };
}

const added = [];
for (const [parent, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${parent}/node_modules/${name}`;
    const hoisted = `node_modules/${name}`;
    if (packages[nested] || packages[hoisted]) continue;
    if (!/^\d+\.\d+\.\d+/.test(version)) continue;
    const platform = platformOf(name);
    if (Object.keys(platform).length === 0) continue;
    const dev = parent !== '' && entry.dev === true;
    packages[hoisted] = { version, ...platform, ...(dev && { dev: true }), optional: true };
    added.push(`${name}@${version}`);
  }
}
const addresses = Object.entries(packages).filter(([, entry]) => typeof entry.resolved === 'string' && !entry.link);
if (process.argv.includes('--check')) {
  if (added.length > 0) console.error(`package-lock.json lacks ${added.join(', ')}: node scripts/complete-lock.mjs`);
  if (addresses.length > 0) console.error(`package-lock.json names where ${addresses[0][0]} was fetched from`);
  process.exit(added.length + addresses.length > 0 ? 1 : 0);
}
for (const [, entry] of addresses) delete entry.resolved;
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added.length} entries added`);
