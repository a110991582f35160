/**
 * Finds, loads and keeps the native libraries: libggml*, libllama from the `@node-llama-cpp/<platform>` package.
 *
 * The libraries are loaded once per process, on first use. Knows no tensor and no model. The version is pinned:
 * struct layouts in bindings.ts and llama-*.ts belong to exactly this release.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import koffi, { type LibraryHandle } from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { installedManifests } from '../native/native-file.ts';
import { silenceGgml, silenceLlama } from './log.ts';

/**
 * Names the build of ggml for the CPU to load, e.g. `haswell` for libggml-cpu-haswell, instead of the best one: to
 * compute on this machine as a lesser one would. @see scripts/cpu-variants.mjs
 */
export const cpuVariantVariable = 'BLOCK_ATTENTION_CPU_VARIANT';

/** The release of `@node-llama-cpp/*` whose struct layouts this package declares. */
export const nativeRelease = '3.22.1';

export type Device = 'auto' | 'cpu' | 'cuda' | 'vulkan' | 'metal';

/** The loaded libraries of one platform package. */
export interface NativeLibrary {
  /** libggml-base: tensors, graphs, GGUF, buffers. */
  readonly base: LibraryHandle;
  /** libggml: the backend registry. */
  readonly ggml: LibraryHandle;
  /** libllama: tokenizers, samplers, and the reference implementation. */
  readonly llama: LibraryHandle;
  /** Folder the libraries came from. */
  readonly directory: string;
  /** Flavour of the platform package: what `--device` asked for. */
  readonly flavour: Exclude<Device, 'auto'>;
}

/** Platform packages by preference for a device, e.g. linux + x64 + cuda -> `linux-x64-cuda`. */
export function platformPackages(device: Device, platform = process.platform, arch = process.arch): string[] {
  const os = platform === 'darwin' ? 'mac' : platform === 'win32' ? 'win' : platform;
  const plain = os === 'mac' && arch === 'arm64' ? 'mac-arm64-metal' : `${os}-${arch}`;
  if (device === 'cpu' || (device === 'metal' && os === 'mac')) return [plain];
  if (device === 'auto') return os === 'mac' ? [plain] : [`${plain}-cuda`, `${plain}-vulkan`, plain];
  return [`${plain}-${device}`];
}

function libraryFile(directory: string, stem: string): string {
  const extension = process.platform === 'win32' ? '.dll' : process.platform === 'darwin' ? '.dylib' : '.so';
  const names = readdirSync(directory).filter((name) => name.endsWith(extension));
  const found =
    names.find((name) => name === `lib${stem}${extension}` || name === `${stem}${extension}`) ??
    names.find((name) => name.startsWith(`lib${stem}.`) || name.startsWith(`${stem}.`));
  if (found === undefined) {
    throw new BlockAttentionError(
      'BACKEND_UNAVAILABLE',
      `${directory} holds no ${stem} library: reinstall the package`,
    );
  }
  return join(directory, found);
}

/** Asked for as this package's own, then as those of its native library's packages (scripts/prebuild/platforms.mjs). */
async function importPackage(name: string): Promise<{ directory: string; version: string } | undefined> {
  for (const from of [import.meta.url, ...installedManifests()]) {
    try {
      const file = createRequire(from).resolve(`@node-llama-cpp/${name}`);
      const module = (await import(pathToFileURL(file).href)) as {
        getBinsDir(): { binsDir: string; packageVersion: string };
      };
      const { binsDir, packageVersion } = module.getBinsDir();
      const directory = join(binsDir, name);
      if (existsSync(directory)) return { directory, version: packageVersion };
    } catch {
      // Not installed there.
    }
  }
  return undefined;
}

// koffi runs calls on stacks of its own, 128 KiB for asynchronous ones: less than model loaders and drivers expect of a
// thread, and running over it kills the process. Pages are only committed when touched.
const stackBytes = 8 * 1024 * 1024;
koffi.config({ ...koffi.config(), sync_stack_size: stackBytes, async_stack_size: stackBytes });

let loaded: NativeLibrary | undefined;
let loading: Promise<NativeLibrary> | undefined;

/**
 * Loads the native libraries. The first call decides the flavour for the whole process.
 *
 * @throws BACKEND_UNAVAILABLE when no platform package for the device is installed, or it is of another release.
 */
export function loadLibrary(device: Device = 'auto'): Promise<NativeLibrary> {
  loading ??= load(device).catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

export function isLibraryLoaded(): boolean {
  return loaded !== undefined;
}

/** The libraries loadLibrary() loaded. @throws BACKEND_UNAVAILABLE before that. */
export function library(): NativeLibrary {
  if (loaded === undefined) {
    throw new BlockAttentionError('BACKEND_UNAVAILABLE', 'native libraries are not loaded: await loadLibrary() first');
  }
  return loaded;
}

const cpuLibrary = /^(?:lib)?ggml-cpu-([\w.]+)\.(?:so|dll|dylib)$/;
const backendLibrary = /^(?:lib)?ggml-(?!base\b)\w+[\w-]*\.(?:so|dll|dylib)$/;

/** Variants of ggml's CPU backend that the package at `directory` holds, whether or not this CPU can run them. */
export function cpuVariants(directory: string): string[] {
  return readdirSync(directory)
    .flatMap((name) => cpuLibrary.exec(name)?.[1] ?? [])
    .sort();
}

/** Registers every backend of the folder: of the CPU's the best one, or the one that is named. */
function loadBackends(ggml: LibraryHandle, directory: string, variant: string | undefined): void {
  if (variant === undefined || variant === '') {
    ggml.func('void ggml_backend_load_all_from_path(const char *dir)')(directory);
    return;
  }
  const loadOne = ggml.func('void *ggml_backend_load(const char *path)') as (path: string) => bigint | null;
  const names = readdirSync(directory);
  const wanted = names.find((name) => cpuLibrary.exec(name)?.[1] === variant);
  // ggml refuses a library whose instructions the CPU lacks.
  if (wanted === undefined || loadOne(join(directory, wanted)) === null) {
    const known = cpuVariants(directory).join(', ') || 'none: this platform has one build for all CPUs';
    throw new BlockAttentionError(
      'BACKEND_UNAVAILABLE',
      `${cpuVariantVariable} is "${variant}", which ${wanted === undefined ? 'the package does not hold' : 'this CPU cannot run'}: unset it, or give one of its variants (${known})`,
    );
  }
  for (const name of names) {
    if (backendLibrary.test(name) && !cpuLibrary.test(name)) loadOne(join(directory, name));
  }
}

async function load(device: Device): Promise<NativeLibrary> {
  const candidates = platformPackages(device);
  for (const name of candidates) {
    const found = await importPackage(name);
    if (found === undefined) continue;
    if (found.version !== nativeRelease) {
      throw new BlockAttentionError(
        'BACKEND_UNAVAILABLE',
        `@node-llama-cpp/${name} is ${found.version}, this package needs exactly ${nativeRelease}: npm install @node-llama-cpp/${name}@${nativeRelease}`,
      );
    }
    const { directory } = found;
    const base = koffi.load(libraryFile(directory, 'ggml-base'), { global: true });
    silenceGgml(base);
    const ggml = koffi.load(libraryFile(directory, 'ggml'), { global: true });
    loadBackends(ggml, directory, process.env[cpuVariantVariable]);
    const llama = koffi.load(libraryFile(directory, 'llama'), { global: true });
    silenceLlama(base, llama);
    const flavour = (['cuda', 'vulkan', 'metal'] as const).find((kind) => name.endsWith(kind)) ?? 'cpu';
    loaded = { base, ggml, llama, directory, flavour };
    return loaded;
  }
  throw new BlockAttentionError(
    'BACKEND_UNAVAILABLE',
    `no native package for device "${device}" on ${process.platform}-${process.arch}: npm install @node-llama-cpp/${candidates[candidates.length - 1]}@${nativeRelease}`,
  );
}
