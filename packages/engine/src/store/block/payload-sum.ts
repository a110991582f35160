/**
 * The checksum of a stored payload, and the tag made of it that a header carries.
 *
 * The sum is 32 lanes of 32 bits, each step of which is one to one (native/src/block_checksum.h): made for the speed of
 * memory, 25 GB/s on one core here against 5 for Poly1305 and 1.8 for SHA-256, because all of a context is checked before its
 * first answer. The native library computes it on threads of the pool, several payloads at a call; without it, this
 * thread does, in slices, at 2.5 GB/s. A change goes unseen with a chance of 2^-32 per lane it touches. It does not stop
 * a forger, who could compute it as well: the sealed format (seal.ts) does.
 */
import { createHash } from 'node:crypto';
import { type Bytes, bytesOf } from '../../ggml/ffi/memory.ts';
import { sumLanes as lanes, loadNativeKernel } from '../../ggml/native/native-kernel.ts';
import { Stretch, slices } from './slices.ts';
import { sumAside } from './sums-aside.ts';

export const tagBytes = 16;
const stripeBytes = 4 * lanes;

/** Called before a slice of the payload is read: where it begins, its length, and how long reading the last one took. */
export type BeforeSlice = (offset: number, length: number, lastMs: number) => Promise<void>;

/**
 * The sum of a payload: 128 bytes. It may neither change nor be freed until the promise settles.
 * @param before only called where this thread reads the payload
 */
export async function payloadSum(payload: Bytes, before?: BeforeSlice): Promise<Uint32Array> {
  const kernel = loadNativeKernel();
  return kernel === undefined ? sumHere(bytesOf(payload), before) : sumAside(kernel, payload);
}

/** The tag of a payload's sum. `binding`: bytes that it must depend on besides. */
export function payloadTag(binding: readonly Uint8Array[], sum: Uint32Array): Buffer {
  const hash = createHash('sha256');
  for (const bytes of binding) hash.update(bytes);
  return hash.update(sum).digest().subarray(0, tagBytes);
}

async function sumHere(payload: Uint8Array, before?: BeforeSlice): Promise<Uint32Array> {
  const sum = Int32Array.from({ length: lanes }, (_, lane) => Math.imul(0x9e3779b1, lane + 1));
  const stretch = new Stretch();
  let at = 0;
  let lastMs = 0;
  for (const slice of slices(payload)) {
    if (before !== undefined) await before(at, slice.byteLength, lastMs);
    const startedAt = performance.now();
    addWords(sum, wordsOf(slice));
    lastMs = performance.now() - startedAt;
    at += slice.byteLength;
    await stretch.pause();
  }
  return new Uint32Array(sum.buffer);
}

/** Whole stripes of words; a copy where the bytes do not lie so, or end within a stripe. */
function wordsOf(slice: Uint8Array): Int32Array {
  const words = Math.ceil(slice.byteLength / stripeBytes) * lanes;
  if (slice.byteOffset % 4 === 0 && slice.byteLength === words * 4) {
    return new Int32Array(slice.buffer, slice.byteOffset, words);
  }
  const copy = new Int32Array(words);
  new Uint8Array(copy.buffer).set(slice);
  return copy;
}

/** Four lanes at a time, so that they stay in registers. */
function addWords(sum: Int32Array, words: Int32Array): void {
  for (let lane = 0; lane < lanes; lane += 4) {
    let [a, b, c, d] = [sum[lane] ?? 0, sum[lane + 1] ?? 0, sum[lane + 2] ?? 0, sum[lane + 3] ?? 0];
    for (let i = lane; i < words.length; i += lanes) {
      a = step(a, words[i] ?? 0);
      b = step(b, words[i + 1] ?? 0);
      c = step(c, words[i + 2] ?? 0);
      d = step(d, words[i + 3] ?? 0);
    }
    sum.set([a, b, c, d], lane);
  }
}

function step(lane: number, word: number): number {
  const x = (lane + Math.imul(word, 0x85ebca77)) | 0;
  return Math.imul((x << 13) | (x >>> 19), 0x9e3779b1);
}
