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
import { type Bytes, bytesOf, sizeOf } from '../ggml/memory.ts';
import { loadNativeKernel, type NativeKernel } from '../ggml/native-kernel.ts';
import { Stretch, slices } from './slices.ts';

export const tagBytes = 16;
const lanes = 32;
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

interface Job {
  readonly payload: Bytes;
  readonly resolve: (sum: Uint32Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Also where there are fewer cores: a thread that is done must not wait for this one to give it more to do. The pool has
 * four threads, for files, names and graphs, too: one is left to them.
 */
const concurrency = 3;
/** So many bytes are worth a call of their own while more may come: about half a millisecond. */
const callBytes = 8 << 20;

const waiting: Job[] = [];
let waitingBytes = 0;
let running = 0;
let scheduled = false;

/** Waking a thread and hearing back from it costs as much as reading a megabyte: what comes at once shares calls. */
function sumAside(kernel: NativeKernel, payload: Bytes): Promise<Uint32Array> {
  return new Promise((resolve, reject) => {
    waiting.push({ payload, resolve, reject });
    waitingBytes += sizeOf(payload);
    if (waitingBytes >= callBytes) start(kernel);
    else if (!scheduled) {
      scheduled = true;
      setImmediate(() => {
        scheduled = false;
        start(kernel);
      });
    }
  });
}

/** Shares what is waiting between the calls that may run; the shares get smaller towards the end. */
function start(kernel: NativeKernel): void {
  while (running < concurrency && waiting.length > 0) {
    const share = Math.max(callBytes, waitingBytes / (2 * concurrency));
    const jobs: Job[] = [];
    for (let bytes = 0; bytes < share && waiting.length > 0; ) {
      const job = waiting.shift() as Job;
      jobs.push(job);
      bytes += sizeOf(job.payload);
      waitingBytes -= sizeOf(job.payload);
    }
    running += 1;
    kernel
      .checksum(jobs.map(({ payload }) => payload))
      .then(
        (sums) => {
          jobs.forEach(({ resolve }, i) => {
            resolve(sums.slice(i * lanes, (i + 1) * lanes));
          });
        },
        (error: unknown) => {
          for (const { reject } of jobs) reject(error);
        },
      )
      .finally(() => {
        running -= 1;
        start(kernel);
      });
  }
}
