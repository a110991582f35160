/**
 * What the native library is made of: its sources, the instruction sets that they are compiled for, the flags of GCC and
 * Clang, and the digest by which a library and a package know each other. For native/build.mjs and scripts/prebuild.mjs.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));

export const fast = ['-O3', '-ffp-contract=fast', '-fno-math-errno'];
export const libraryFlags = (platform) => [
  '-std=c++17',
  ...(platform === 'win32' ? [] : ['-fPIC']),
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
];

/** The library's file on a platform, as Node names it. */
export const libraryName = (platform) =>
  platform === 'win32' ? 'block_attention.dll' : `libblock_attention.${platform === 'darwin' ? 'dylib' : 'so'}`;

/** Compiled once for every instruction set, and once. */
export const perIsa = ['src/kernel.cpp', 'src/linear.cpp', 'src/training.cpp', 'src/checksum.cpp'];
export const plain = [
  'src/barrier.cpp',
  'src/dispatch.cpp',
  'src/guard.cpp',
  'src/system.cpp',
  'src/training-dispatch.cpp',
];

const avx2 = ['-mavx2', '-mfma', '-mf16c'];
const avx512 = [...avx2, '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq'];
const isas = {
  x64: { avx512, avx512_256: [...avx512, '-DBA_LANES=8'], avx2, baseline: [] },
  arm64: { neon: [] },
};
/** Instruction sets that only some files have a use for. */
const alone = {
  x64: {
    'src/linear.cpp': {
      avx512_bf16: [...avx512, '-mavx512vnni', '-mavx512bf16'],
      avx512_vnni: [...avx512, '-mavx512vnni'],
      avx_vnni: [...avx2, '-mavxvnni'],
    },
    'src/training.cpp': { avx512_bf16: [...avx512, '-mavx512bf16'] },
  },
};

/** Flags that not every compiler has, by the instruction set that is left out without them: GCC 11, Clang 12. */
export const optionalFlags = { x64: { avx_vnni: '-mavxvnni' } };

/** Flags by instruction set of a CPU, as Node names it. */
export const isasOf = (arch) => isas[arch] ?? { baseline: [] };

/** `source` for every instruction set of the CPU but those of `without`. */
export function variantsOf(source, arch, without = []) {
  return Object.entries({ ...isasOf(arch), ...alone[arch]?.[source] })
    .filter(([isa]) => !without.includes(isa))
    .map(([isa, flags]) => ({ suffix: `-${isa}`, flags: [...flags, `-DBA_NS=${isa}`] }));
}

/** The digest of native/src that the library reports (ba_sources) and src/ggml/native/kernel-sources.ts expects. */
export function sourcesDigest() {
  const hash = createHash('sha256');
  for (const name of readdirSync(join(here, 'src')).sort()) {
    // A checkout may have changed the ends of lines.
    const text = readFileSync(join(here, 'src', name), 'utf8').replaceAll('\r\n', '\n');
    hash.update(`${name}\0${text}\0`);
  }
  return hash.digest('hex');
}

/** Flags of the plain sources, which choose among the instruction sets: all but those of `without`. */
export const plainFlags = (without = []) => [
  `-DBA_SOURCES=${sourcesDigest()}`,
  ...without.map((isa) => `-DBA_WITHOUT_${isa}`),
];
