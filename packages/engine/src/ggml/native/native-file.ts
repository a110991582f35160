/** Where the native library (native/) may lie, and how it is named or switched off. Loads nothing. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `0` switches the native library off; anything else but nothing and `1` is the path of the one to load, and no other. */
export const nativeVariable = 'BLOCK_ATTENTION_NATIVE';

/** The package's folder: as far up from src/ggml/native as from dist/ggml/native. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Places to look, the first one first. */
export interface KernelPlaces {
  /** What the user named: then nothing else is looked at. */
  readonly named?: string | undefined;
  /** What native/build.mjs made on this machine. */
  readonly built: string;
  /** What platform packages hold, of those that are installed. */
  readonly packaged: readonly string[];
}

export function kernelPlaces(env: NodeJS.ProcessEnv = process.env): KernelPlaces {
  const named = env[nativeVariable];
  return {
    named: named === undefined || named === '' || named === '1' ? undefined : named,
    built: join(packageRoot, 'native', 'build', libraryName()),
    packaged: installedManifests().map((manifest) => join(dirname(manifest), libraryName())),
  };
}

/** The library's file. @param platform as Node names it */
export function libraryName(platform: string = process.platform): string {
  if (platform === 'win32') return 'block_attention.dll';
  return `libblock_attention.${platform === 'darwin' ? 'dylib' : 'so'}`;
}

/**
 * Packages that may hold the library of a platform. On Linux there are two, and the one for the other C library cannot
 * be loaded: not every package manager leaves it out.
 */
export function platformPackages(platform: string = process.platform, arch: string = process.arch): string[] {
  const name = `@block-attention/kernel-${platform}-${arch}`;
  return platform === 'linux' ? [name, `${name}-musl`] : [name];
}

/** Paths of package.json of those packages of this platform that are installed. */
export function installedManifests(): string[] {
  return platformPackages().flatMap((name) => {
    try {
      return [createRequire(import.meta.url).resolve(`${name}/package.json`)];
    } catch {
      return [];
    }
  });
}
