/**
 * Checksums by the native library, on threads of the pool.
 *
 * Waking a thread and hearing back from it costs as much as summing a megabyte: payloads that come at once share calls.
 */
import { type Bytes, sizeOf } from '../../ggml/ffi/memory.ts';
import { type NativeKernel, sumLanes } from '../../ggml/native/native-kernel.ts';
import { payloadThreads } from '../memory/slots.ts';

interface Job {
  readonly payload: Bytes;
  readonly resolve: (sum: Uint32Array) => void;
  readonly reject: (error: unknown) => void;
}

/** So many bytes are worth a call of their own while more may come: about half a millisecond. */
const callBytes = 8 << 20;

const waiting: Job[] = [];
let waitingBytes = 0;
let running = 0;
let scheduled = false;

/** The sum of a payload, which may neither change nor be freed until the promise settles. */
export function sumAside(kernel: NativeKernel, payload: Bytes): Promise<Uint32Array> {
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

function start(kernel: NativeKernel): void {
  while (running < payloadThreads && waiting.length > 0) void work(kernel);
}

/** One call after the other until nothing waits. */
async function work(kernel: NativeKernel): Promise<void> {
  running += 1;
  while (waiting.length > 0) {
    const jobs = takeShare();
    try {
      const sums = await kernel.checksum(jobs.map(({ payload }) => payload));
      for (const [i, { resolve }] of jobs.entries()) resolve(sums.slice(i * sumLanes, (i + 1) * sumLanes));
    } catch (error) {
      for (const { reject } of jobs) reject(error);
    }
  }
  running -= 1;
}

/** What the next call sums. Shares get smaller towards the end. */
function takeShare(): Job[] {
  const share = Math.max(callBytes, waitingBytes / (2 * payloadThreads));
  const jobs: Job[] = [];
  for (let bytes = 0; bytes < share && waiting.length > 0; ) {
    const job = waiting.shift() as Job;
    jobs.push(job);
    bytes += sizeOf(job.payload);
    waitingBytes -= sizeOf(job.payload);
  }
  return jobs;
}
