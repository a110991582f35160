/**
 * AES-256-GCM on native memory: the functions of the OpenSSL that Node itself carries, called by address on threads of the
 * pool.
 *
 * node:crypto computes the same, but on the calling thread and on views, for which V8 collects garbage. Optional: where
 * Node does not export these functions (Windows, builds without OpenSSL) or they do not agree with node:crypto, callers
 * take that. BLOCK_ATTENTION_NATIVE=0 switches it off.
 */
import { createCipheriv } from 'node:crypto';
import koffi, { type KoffiFunc, type LibraryHandle } from 'koffi';
import { call } from '../ffi/call.ts';
import { type Bytes, sizeOf } from '../ffi/memory.ts';
import { nativeVariable } from './native-file.ts';

export interface NativeAead {
  /**
   * Decrypts one `from` after the other to its `to`, of the same size. False when the tag does not fit; what was written
   * is then of no use. No bytes may change, move or be freed until the promise settles.
   */
  decrypt(opening: Opening, parts: readonly { readonly from: Bytes; readonly to: Bytes }[]): Promise<boolean>;
}

export interface Opening {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
  /** Authenticated with the parts, and not encrypted. */
  readonly fields: Uint8Array;
  /** 16 bytes. */
  readonly tag: Uint8Array;
}

type Update = (
  context: bigint,
  out: Uint8Array | bigint | null,
  outSize: number[],
  from: Uint8Array | bigint,
  size: number,
) => number;

const tagBytes = 16;
/** OpenSSL counts an update's bytes in int32. */
const updateBytes = 1 << 26;
const setTag = 0x11;

let aead: Promise<NativeAead | undefined> | undefined;

/** The ciphers, or undefined where there are none. Looks once per process. */
export async function nativeAead(): Promise<NativeAead | undefined> {
  if (process.env[nativeVariable] === '0' || process.platform === 'win32') return undefined;
  aead ??= open().catch(() => undefined);
  return aead;
}

async function open(): Promise<NativeAead | undefined> {
  const found = bind(koffi.load(null));
  return (await agrees(found)) ? found : undefined;
}

/** Whether the functions compute what node:crypto does: what they get wrong would pass for damage. */
async function agrees(found: NativeAead): Promise<boolean> {
  const key = Buffer.alloc(32, 1);
  const nonce = Buffer.alloc(12, 2);
  const fields = Buffer.alloc(40, 3);
  const data = Buffer.alloc(100, 4);
  const gcm = createCipheriv('aes-256-gcm', key, nonce).setAAD(fields);
  const from = Buffer.concat([gcm.update(data), gcm.final()]);
  const to = Buffer.alloc(data.byteLength);
  const opened = await found.decrypt({ key, nonce, fields, tag: gcm.getAuthTag() }, [{ from, to }]);
  return opened && to.equals(data);
}

/** @throws when a function is missing. */
function bind(process: LibraryHandle): NativeAead {
  const create = process.func('void *EVP_CIPHER_CTX_new(void)') as () => bigint | null;
  const dispose = process.func('void EVP_CIPHER_CTX_free(void *context)') as (context: bigint) => void;
  const init = process.func(
    'int EVP_CipherInit_ex(void *context, void *cipher, void *engine, const uint8_t *key, const uint8_t *iv, int encrypt)',
  ) as (context: bigint, cipher: bigint, engine: null, key: Uint8Array, nonce: Uint8Array, encrypt: number) => number;
  const update = process.func(
    'int EVP_CipherUpdate(void *context, void *out, _Out_ int *outSize, void *from, int size)',
  ) as KoffiFunc<Update>;
  const final = process.func('int EVP_CipherFinal_ex(void *context, _Out_ uint8_t *out, _Out_ int *outSize)') as (
    context: bigint,
    out: Uint8Array,
    outSize: number[],
  ) => number;
  const control = process.func('int EVP_CIPHER_CTX_ctrl(void *context, int type, int size, void *data)') as (
    context: bigint,
    type: number,
    size: number,
    data: Uint8Array,
  ) => number;
  const clearErrors = process.func('void ERR_clear_error(void)') as () => void;
  const cipher = (process.func('void *EVP_aes_256_gcm(void)') as () => bigint)();

  /** Runs `work` with a context; false, and OpenSSL's queue of errors empty, when a call in it failed. */
  async function within(work: (context: bigint) => Promise<boolean>): Promise<boolean> {
    const context = create();
    if (context === null) return false;
    try {
      const done = await work(context);
      // Left in the queue, errors would be taken for those of the next TLS connection.
      if (!done) clearErrors();
      return done;
    } finally {
      dispose(context);
    }
  }

  async function updateAll(context: bigint, from: Bytes, to: Bytes | null): Promise<boolean> {
    const size = sizeOf(from);
    for (let at = 0; at < size; at += updateBytes) {
      const count = Math.min(updateBytes, size - at);
      const out = to === null ? null : placeOf(to, at, count);
      if ((await call(update, context, out, [0], placeOf(from, at, count), count)) !== 1) return false;
    }
    return true;
  }

  const rest = new Uint8Array(tagBytes);
  return {
    decrypt: ({ key, nonce, fields, tag }, parts) =>
      within(async (context) => {
        if (init(context, cipher, null, key, nonce, 0) !== 1) return false;
        if (!(await updateAll(context, fields, null))) return false;
        for (const { from, to } of parts) if (!(await updateAll(context, from, to))) return false;
        return control(context, setTag, tagBytes, tag) === 1 && final(context, rest, [0]) === 1;
      }),
  };
}

function placeOf(bytes: Bytes, at: number, count: number): Uint8Array | bigint {
  return bytes instanceof Uint8Array ? bytes.subarray(at, at + count) : bytes.address + BigInt(at);
}
