/**
 * Mapped files that lose pages while they are used: truncated in place by somebody, or on a disk that cannot read them.
 *
 * Reading such a page is a SIGBUS, which ends the process. The native library's handler (native/src/guard.cpp) puts zeros
 * in its place and marks the mapping; whoever used it asks afterwards and throws the result away. Without the native
 * library nothing is guarded.
 */
import koffi, { type LibraryHandle } from 'koffi';
import { kernelLibrary } from '../native/kernel-library.ts';

export interface MappingGuard {
  /** Whether pages are lost. What was read before was right. */
  readonly damaged: boolean;
  /** Before the memory is unmapped. */
  release(): void;
}

interface GuardCalls {
  add(address: bigint, bytes: number): number;
  remove(slot: number): void;
  faults(slot: number): number | bigint;
  /** Lost pages of the whole process: read without a call. */
  readonly total: BigInt64Array;
}

let calls: GuardCalls | undefined;

function guardCalls(): GuardCalls | null {
  const { library } = kernelLibrary();
  if (library === undefined) return null;
  calls ??= openCalls(library);
  return calls;
}

function openCalls(library: LibraryHandle): GuardCalls {
  const total = library.func('void *ba_guard_total()') as () => bigint;
  return {
    add: library.func('int32_t ba_guard_add(const void *address, int64_t bytes)'),
    remove: library.func('void ba_guard_remove(int32_t slot)'),
    faults: library.func('int64_t ba_guard_faults(int32_t slot)'),
    total: new BigInt64Array(koffi.view(total(), 8)),
  };
}

/** Guards a read-only mapping; undefined where that cannot be done. */
export function guardMapping(address: bigint, bytes: number): MappingGuard | undefined {
  const native = guardCalls();
  const slot = native?.add(address, bytes) ?? -1;
  if (native === null || slot < 0) return undefined;
  let lost = false;
  let released = false;
  const look = () => {
    // Nearly always nothing ever was. A released slot is somebody else's.
    if (!lost && !released && native.total[0] !== 0n) lost = Number(native.faults(slot)) > 0;
    return lost;
  };
  return {
    get damaged() {
      return look();
    },
    release() {
      look();
      released = true;
      native.remove(slot);
    },
  };
}
