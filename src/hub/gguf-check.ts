/**
 * Whether bytes can be a GGUF at all: enough to keep a web page, a pointer file or a truncated answer out of the cache.
 *
 * Knows the fixed 24-byte header only. Whether the tensors fit the file and can be run is for the loader to say.
 */
import type { FileHandle } from 'node:fs/promises';
import { SourceError } from './source-error.ts';

const headerBytes = 24;
/** Far above any model: a header beyond them is garbage that happens to begin with the magic. */
const maxTensors = 1_000_000n;
const maxKeys = 1_000_000n;

/**
 * Checks the first bytes of a file, given before the rest is fetched.
 * @param head the file's first bytes, any number from four on
 * @throws SourceError MODEL_INVALID that shows what came instead
 */
export function checkGgufMagic(head: Uint8Array): void {
  if (head[0] === 0x47 && head[1] === 0x47 && head[2] === 0x55 && head[3] === 0x46) return;
  const text = Buffer.from(head.subarray(0, 60)).toString('latin1').trimStart();
  const what = /^<(!doctype|html|\?xml|head)/i.test(text)
    ? 'a web page (a login page, a notice of a proxy, or a link to the page instead of to the file?)'
    : text.startsWith('version https://git-lfs')
      ? 'a Git LFS pointer, not the file it points to'
      : `a file that begins with ${JSON.stringify(text.slice(0, 16))}`;
  throw new SourceError(`it sent no GGUF but ${what}`, { code: 'MODEL_INVALID' });
}

/** Checks the header of a finished file. @throws SourceError MODEL_INVALID */
export async function checkGgufFile(file: FileHandle): Promise<void> {
  const header = Buffer.alloc(headerBytes);
  const { bytesRead } = await file.read(header, 0, headerBytes, 0);
  if (bytesRead < 4)
    throw new SourceError(`it sent ${bytesRead} bytes, which is not a GGUF`, { code: 'MODEL_INVALID' });
  checkGgufMagic(header.subarray(0, bytesRead));
  const { size } = await file.stat();
  if (size < headerBytes) throw new SourceError(`its GGUF ends after ${size} bytes`, { code: 'MODEL_INVALID' });
  const version = header.readUInt32LE(4);
  if (version !== 2 && version !== 3) {
    const bigEndian = version !== 0 && version % 0x1000000 === 0;
    const reason = bigEndian ? 'is for big-endian machines' : `is of format version ${version}`;
    throw new SourceError(`its GGUF ${reason}; only versions 2 and 3, little-endian, can be read`, {
      code: 'MODEL_INVALID',
    });
  }
  const tensors = header.readBigUInt64LE(8);
  const keys = header.readBigUInt64LE(16);
  // The shortest key takes 13 bytes and the shortest tensor entry 33.
  if (tensors > maxTensors || keys > maxKeys || tensors * 33n + keys * 13n > BigInt(size)) {
    throw new SourceError(`its GGUF claims ${tensors} tensors and ${keys} keys in ${size} bytes: it is damaged`, {
      code: 'MODEL_INVALID',
    });
  }
}
