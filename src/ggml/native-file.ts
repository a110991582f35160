/** Where the native library (native/) lies, and how it is switched off. Loads nothing. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `0` switches the native library off. */
export const nativeVariable = 'BLOCK_ATTENTION_NATIVE';

const libraryName = `libblock_attention.${process.platform === 'darwin' ? 'dylib' : 'so'}`;
/** What native/build.mjs makes: the same two folders up from src/ggml and from dist/ggml. */
export const nativeFile = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'native', 'build', libraryName);
