/**
 * Copies from host memory to a device while it computes: through pinned pieces, on a stream of their own.
 *
 * A copy is done when its promise says so: graphs that read the bytes are begun after that, so no stream waits for another.
 * Copies go one after the other, whoever asks. On the CPU a thread copies straight to where the bytes belong.
 */
import koffi from 'koffi';
import { Cleanup } from '../../cleanup.ts';
import { type Bindings, type DeviceProperties, devicePropertiesType } from '../ffi/bindings.ts';
import { call } from '../ffi/call.ts';
import type { NativeMemory } from '../ffi/memory.ts';
import { GraphContext } from '../graph/graph-context.ts';
import { type Tensor, TensorType } from '../graph/tensor.ts';
import type { TensorMemory } from './backend.ts';

/** Of pinned memory: while one is on its way, the next is filled. */
const pieceBytes = 8 * 2 ** 20;
const pieceCount = 3;

/** Pinned memory, and what says that the device has read it. */
interface Piece {
  readonly tensor: Tensor;
  readonly address: bigint;
  readonly event: bigint;
  used: boolean;
}

export class Uploads implements Disposable {
  readonly #calls: Bindings;
  /** Undefined on the CPU. */
  readonly #stream: bigint | undefined;
  readonly #pieces: readonly Piece[];
  readonly #cleanup: Cleanup;
  #last: Promise<void> = Promise.resolve();

  private constructor(calls: Bindings, stream: bigint | undefined, pieces: readonly Piece[], cleanup: Cleanup) {
    this.#calls = calls;
    this.#stream = stream;
    this.#pieces = pieces;
    this.#cleanup = cleanup;
  }

  /** Undefined where the device cannot copy while it computes. Nothing may be computing. */
  static open(calls: Bindings, device: bigint, isCpu: boolean): Uploads | undefined {
    if (isCpu) return new Uploads(calls, undefined, [], new Cleanup());
    const properties = koffi.alloc(devicePropertiesType(), 1);
    const cleanup = new Cleanup();
    cleanup.defer(() => koffi.free(properties));
    calls.backend_dev_get_props(device, properties);
    const { caps } = koffi.decode(properties, devicePropertiesType()) as DeviceProperties;
    const pinned = calls.backend_dev_host_buffer_type(device);
    const stream = caps.async && caps.events && pinned !== null ? calls.backend_dev_init(device, null) : null;
    if (stream !== null) cleanup.defer(() => calls.backend_free(stream));
    const pieces = stream === null || pinned === null ? [] : openPieces(calls, device, pinned, cleanup);
    if (stream === null || pieces.length === 0) {
      cleanup[Symbol.dispose]();
      return undefined;
    }
    return new Uploads(calls, stream, pieces, cleanup);
  }

  /** Copies all of `source`, which stays as it is meanwhile, to the start of `target`. Its length is a multiple of 4. */
  copy(source: Pick<NativeMemory, 'address' | 'size'>, target: TensorMemory): Promise<void> {
    const copied = this.#last.then(() => this.#copy(source, target));
    this.#last = copied.catch(() => undefined);
    return copied;
  }

  async #copy({ address, size }: Pick<NativeMemory, 'address' | 'size'>, target: TensorMemory): Promise<void> {
    const calls = this.#calls;
    const context = new GraphContext(4);
    try {
      const whole = context.tensor(TensorType.I32, size / 4);
      calls.backend_tensor_alloc(target.buffer, whole.address, target.address);
      const stream = this.#stream;
      if (stream === undefined) {
        await call(calls.backend_tensor_set, whole.address, address, 0, size);
        return;
      }
      try {
        for (let at = 0, next = 0; at < size; at += pieceBytes, next = (next + 1) % this.#pieces.length) {
          const piece = this.#pieces[next];
          if (piece === undefined) throw new Error('pieces go round');
          const count = Math.min(pieceBytes, size - at);
          await this.#wait(piece);
          await call(calls.backend_tensor_set, piece.tensor.address, address + BigInt(at), 0, count);
          calls.backend_tensor_set_async(stream, whole.address, piece.address, at, count);
          calls.backend_event_record(piece.event, stream);
          piece.used = true;
        }
      } finally {
        for (const piece of this.#pieces) await this.#wait(piece);
      }
    } finally {
      context.dispose();
    }
  }

  async #wait(piece: Piece): Promise<void> {
    if (!piece.used) return;
    await call(this.#calls.backend_event_synchronize, piece.event);
    piece.used = false;
  }

  /** No copy may be under way. */
  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}

/** None where the system has no pinned memory left. */
function openPieces(calls: Bindings, device: bigint, pinned: bigint, cleanup: Cleanup): Piece[] {
  const context = new GraphContext(pieceCount + 4);
  cleanup.defer(() => context.dispose());
  const pieces: Piece[] = [];
  for (let i = 0; i < pieceCount; i++) {
    const buffer = calls.backend_buft_alloc_buffer(pinned, pieceBytes);
    if (buffer === null) return [];
    cleanup.defer(() => calls.backend_buffer_free(buffer));
    const event = calls.backend_event_new(device);
    if (event === null) return [];
    cleanup.defer(() => calls.backend_event_free(event));
    const address = calls.backend_buffer_get_base(buffer);
    const tensor = context.tensor(TensorType.I32, pieceBytes / 4);
    calls.backend_tensor_alloc(buffer, tensor.address, address);
    pieces.push({ tensor, address, event, used: false });
  }
  return pieces;
}
