/**
 * Finds the native library (native/), loads it, and makes sure that it is of this package: its ABI and its sources.
 *
 * Looks where the user says; else at what was compiled on this machine, then at the platform's package. One that does not
 * fit is passed over, with the reason. Knows no function of the library but those that say what it is.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { kernelSources } from './kernel-sources.ts';
import { type KernelPlaces, kernelPlaces, nativeVariable, packageRoot, platformPackages } from './native-file.ts';

/** BA_ABI_VERSION of native/src/block_attention.h that attention-arguments.ts writes. */
export const nativeKernelAbi = 7;

/** Why a library is not used. */
export type KernelRefusal =
  /** The user says so. */
  | 'off'
  | 'missing'
  /** The system's loader does not take it. */
  | 'unloadable'
  /** Of another version of the interface. */
  | 'abi'
  /** Compiled from other sources. */
  | 'sources'
  /** Reads ggml's tensors wrongly: of another release of ggml. */
  | 'layout';

export interface KernelAbsence {
  readonly library: undefined;
  readonly code: KernelRefusal;
  /** What is the matter, and what to do about it. */
  readonly reason: string;
}

export interface KernelLibrary {
  readonly library: LibraryHandle;
  readonly path: string;
}

let found: KernelLibrary | KernelAbsence | undefined;

/** The library, or why there is none. Looks once per process; BLOCK_ATTENTION_NATIVE=0 is heard at any time. */
export function kernelLibrary(): KernelLibrary | KernelAbsence {
  if (process.env[nativeVariable] === '0') return absent('off', `${nativeVariable}=0 switches it off`);
  found ??= findKernel(kernelPlaces());
  return found;
}

/** The first library that fits. Never throws: without one the reason is that of the first that does not. */
export function findKernel({ named, built, packaged }: KernelPlaces): KernelLibrary | KernelAbsence {
  if (named !== undefined) {
    const remedy = `correct or unset ${nativeVariable}`;
    return existsSync(named)
      ? openLibrary(named, remedy)
      : absent('missing', `${nativeVariable} is ${named}, and there is no such file: ${remedy}`);
  }
  let refused: KernelAbsence | undefined;
  for (const [paths, remedy] of [
    [[built], `node ${builder}`],
    [packaged, reinstall()],
  ] as const) {
    for (const path of paths) {
      if (!existsSync(path)) continue;
      const opened = openLibrary(path, remedy);
      if (opened.library !== undefined) return opened;
      refused ??= opened;
    }
  }
  return refused ?? absent('missing', `the native library is not installed: ${reinstall()}`);
}

export function absent(code: KernelRefusal, reason: string): KernelAbsence {
  return { library: undefined, code, reason };
}

const builder = join(packageRoot, 'native', 'build.mjs');

/** How to come by the library. A release lists the packages that hold it, a clone of the repository lists none. */
function reinstall(): string {
  const build = `node ${builder}, which takes a C++ compiler`;
  const listed = optionalPackages();
  const ours = platformPackages().find((name) => listed[name] !== undefined);
  return ours === undefined ? build : `install ${ours}@${listed[ours]}, or ${build}`;
}

function optionalPackages(): Readonly<Record<string, string>> {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  return (manifest as { readonly optionalDependencies?: Readonly<Record<string, string>> }).optionalDependencies ?? {};
}

/** Loads the library at `path`, which exists. @param remedy what to do when it does not fit */
export function openLibrary(path: string, remedy: string): KernelLibrary | KernelAbsence {
  try {
    const library = koffi.load(path);
    const abi = (library.func('int32_t ba_abi_version(void)') as () => number)();
    if (abi !== nativeKernelAbi) {
      return absent('abi', `${path} has ABI ${abi}, this package needs ${nativeKernelAbi}: ${remedy}`);
    }
    const sources = sourcesOf(library);
    if (sources !== kernelSources()) {
      return absent('sources', `${path} was compiled from other sources than this package's: ${remedy}`);
    }
    return { library, path };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return absent('unloadable', `${path} cannot be loaded (${cause}): ${remedy}`);
  }
}

function sourcesOf(library: LibraryHandle): string | undefined {
  try {
    return (library.func('const char *ba_sources(void)') as () => string)();
  } catch {
    // From before libraries said so.
    return undefined;
  }
}
