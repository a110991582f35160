/**
 * The stored form of a block: header, then the payload exactly as attention reads it.
 *
 * The header names the block (key, model, tokens, sizes), carries its own checksum and the payload's, and is padded so
 * that the payload starts on a page of a file: mapped, it is used where it lies. The same bytes go into files, Redis
 * and S3. Whatever does not check out is refused with a reason, never repaired. Integers are little-endian:
 *
 *   0 magic 8 | 8 version u32 | 12 headerBytes u32 | 16 payloadBytes u64 | 24 tokens u32 | 28 flags u32 | 32 key 32
 *   64 model 32 | 96 tenant tag 16 | 112 encodeMs f64 | 120 createdAtMs f64 | 128 nonce 12 | 140 seal id 8 | 148 label bytes u32
 *   152 payload tag 16 | 168 header tag 16 | 184 token ids i32[tokens] | label | zeros up to headerBytes | payload
 *
 * The label says in UTF-8 how the block was encoded, for people who look at a store; most blocks of old have none.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Bytes } from '../../ggml/ffi/memory.ts';
import type { NativeAead } from '../../ggml/native/native-aead.ts';
import type { BlockKey, BlockRequest } from '../block-store.ts';
import type { StoredBlock } from '../tier.ts';
import { type BeforeSlice, payloadSum, payloadTag, tagBytes } from './payload-sum.ts';
import type { Seal } from './seal.ts';
import { Stretch, slices } from './slices.ts';

const magic = Buffer.from('BLOCKKV\n');
const imageVersion = 2;
const flagSealed = 1;
/** Fields that the payload's tag depends on. */
const boundBytes = 152;
const headerTagAt = boundBytes + tagBytes;
const tokensAt = headerTagAt + tagBytes;
const pageBytes = 4096;

/** Bytes to read to have every field but the tokens. */
export const fieldBytes = tokensAt;
export const tenantTagBytes = 16;

export interface ImageHeader {
  readonly key: BlockKey;
  /** `modelDigest()` of the block's identity; zeros when it was not given. */
  readonly model: string;
  /** Salted digest of the tenant: 32 hex digits, zeros for the shared space. */
  readonly tenantTag: string;
  readonly headerBytes: number;
  readonly payloadBytes: number;
  readonly tokenCount: number;
  readonly labelBytes: number;
  readonly sealed: boolean;
  readonly sealId: Uint8Array;
  /** What encoding took, in ms. */
  readonly encodeMs: number;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Random: tells two writes of the same block apart. */
  readonly nonce: Uint8Array;
  readonly payloadTag: Uint8Array;
}

export interface Image {
  readonly header: Uint8Array;
  /** `block.payload` itself, or its sealed form. */
  readonly payload: Uint8Array;
}

/** Bytes before the payload. */
export function headerBytesOf(tokenCount: number, labelBytes = 0): number {
  return Math.ceil((tokensAt + 4 * tokenCount + labelBytes) / pageBytes) * pageBytes;
}

/** Bytes of a block's image. */
export function imageBytesOf(request: BlockRequest): number {
  return headerBytesOf(request.tokens.length, labelOf(request).byteLength) + request.bytes;
}

/** Longest label, in bytes. */
const mostLabelBytes = 256;

function labelOf({ encoding = '' }: BlockRequest): Buffer {
  return Buffer.from(encoding).subarray(0, mostLabelBytes);
}

/** Where in an image its label lies. */
export function labelPlace({ tokenCount, labelBytes }: Pick<ImageHeader, 'tokenCount' | 'labelBytes'>) {
  return { at: tokensAt + 4 * tokenCount, bytes: labelBytes };
}

/** Builds a block's image. Gives way to the event loop on the way. */
export async function createImage(
  block: StoredBlock,
  options: { readonly tenantTag?: Uint8Array | undefined; readonly seal?: Seal | undefined } = {},
): Promise<Image> {
  const { request, payload } = block;
  const { seal } = options;
  const tokens = tokenBytes(request.tokens);
  const label = labelOf(request);
  const header = Buffer.alloc(headerBytesOf(request.tokens.length, label.byteLength));
  magic.copy(header);
  header.writeUInt32LE(imageVersion, 8);
  header.writeUInt32LE(header.byteLength, 12);
  header.writeBigUInt64LE(BigInt(payload.byteLength), 16);
  header.writeUInt32LE(request.tokens.length, 24);
  header.writeUInt32LE(seal === undefined ? 0 : flagSealed, 28);
  header.write(request.key, 32, 'hex');
  if (request.model !== undefined) header.write(request.model, 64, 32, 'hex');
  if (options.tenantTag !== undefined) header.set(options.tenantTag, 96);
  header.writeDoubleLE(block.encodeMs, 112);
  header.writeDoubleLE(Date.now(), 120);
  const nonce = randomBytes(12);
  header.set(nonce, 128);
  header.writeUInt32LE(label.byteLength, 148);
  header.set(label, tokensAt + tokens.byteLength);
  const bound = header.subarray(0, boundBytes);
  if (seal === undefined) {
    header.set(tokens, tokensAt);
    header.set(payloadTag([bound, tokens], await payloadSum(payload)), boundBytes);
    header.set(headerTag(header, header.byteLength), headerTagAt);
    return { header, payload };
  }
  header.set(seal.id, 140);
  const cipher = seal.encrypt(request.key, nonce, bound);
  header.set(cipher.update(tokens), tokensAt);
  const sealed = Buffer.alloc(payload.byteLength);
  const stretch = new Stretch();
  let at = 0;
  for (const slice of slices(payload)) {
    sealed.set(cipher.update(slice), at);
    at += slice.byteLength;
    await stretch.pause();
  }
  cipher.final();
  header.set(cipher.getAuthTag(), boundBytes);
  header.set(headerTag(header, header.byteLength), headerTagAt);
  return { header, payload: sealed };
}

/** Reads the fields from the first bytes of an image, without checking a tag; a string is the reason of a refusal. */
export function readFields(bytes: Uint8Array): ImageHeader | string {
  if (bytes.byteLength < fieldBytes) return 'truncated';
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!magic.equals(view.subarray(0, magic.byteLength))) return 'no-block';
  if (view.readUInt32LE(8) !== imageVersion) return 'version';
  const tokenCount = view.readUInt32LE(24);
  const headerBytes = view.readUInt32LE(12);
  const payloadBytes = Number(view.readBigUInt64LE(16));
  const labelBytes = view.readUInt32LE(148);
  if (
    labelBytes > mostLabelBytes ||
    headerBytes !== headerBytesOf(tokenCount, labelBytes) ||
    !Number.isSafeInteger(payloadBytes)
  )
    return 'header';
  // Copies: the fields must not change with, or outlive, the memory they were read from.
  const field = (from: number, to: number) => Buffer.from(view.subarray(from, to));
  return {
    key: field(32, 64).toString('hex') as BlockKey,
    model: field(64, 96).toString('hex'),
    tenantTag: field(96, 112).toString('hex'),
    headerBytes,
    payloadBytes,
    tokenCount,
    labelBytes,
    sealed: (view.readUInt32LE(28) & flagSealed) !== 0,
    sealId: field(140, 148),
    encodeMs: view.readDoubleLE(112),
    createdAtMs: view.readDoubleLE(120),
    nonce: field(128, 140),
    payloadTag: field(boundBytes, headerTagAt),
  };
}

/**
 * Checks the header of an image: form, its own checksum, and that the image is as long as it says.
 * A string is the reason of a refusal.
 * @param image all of it, or at least its header
 * @param imageBytes length of all of it
 * @param header what readFields() gave for it
 */
export function readHeader(
  image: Uint8Array,
  imageBytes = image.byteLength,
  header = readFields(image),
): ImageHeader | string {
  if (typeof header === 'string') return header;
  if (imageBytes !== header.headerBytes + header.payloadBytes) return 'truncated';
  const stored = Buffer.from(image.buffer, image.byteOffset + headerTagAt, tagBytes);
  return headerTag(image, header.headerBytes).equals(stored) ? header : 'header';
}

/**
 * Why an image, of which this is at least the header, is not the block that was asked for; undefined when it may be.
 */
export function mismatch(
  header: ImageHeader,
  image: Uint8Array,
  request: BlockRequest,
  seal: Seal | undefined,
): string | undefined {
  if (header.key !== request.key) return 'foreign';
  if (header.payloadBytes !== request.bytes || header.tokenCount !== request.tokens.length) return 'size';
  if (header.labelBytes !== labelOf(request).byteLength) return 'foreign';
  if (header.sealed !== (seal !== undefined)) return header.sealed ? 'sealed' : 'unsealed';
  if (seal !== undefined) return Buffer.from(seal.id).equals(header.sealId) ? undefined : 'other-store-key';
  return Buffer.from(tokenBytes(request.tokens)).equals(tokensOf(image, header)) ? undefined : 'foreign';
}

/**
 * Whether the payload of an unsealed image is what was written. Reads all of it.
 * @param head at least the image's header
 * @param payload what follows the header. Defaults to the rest of `head`
 * @param before see payloadSum()
 */
export async function payloadIsWhole(
  head: Uint8Array,
  header: ImageHeader,
  payload: Bytes = head.subarray(header.headerBytes),
  before?: BeforeSlice,
): Promise<boolean> {
  return payloadTag(bindingOf(head, header), await payloadSum(payload, before)).equals(header.payloadTag);
}

/**
 * Opens a sealed image: writes the payload to `target` when given. `tokens`, when given, must be those sealed in.
 * False, and `target` holds nothing of use, when the image is damaged or was sealed with another key.
 */
export async function unseal(
  image: Uint8Array,
  header: ImageHeader,
  seal: Seal,
  options: { readonly target?: Uint8Array | undefined; readonly tokens?: Int32Array | undefined } = {},
): Promise<boolean> {
  const decipher = seal.decrypt(header.key, header.nonce, image.subarray(0, boundBytes), header.payloadTag);
  const tokens = decipher.update(tokensOf(image, header));
  if (options.tokens !== undefined && !tokens.equals(tokenBytes(options.tokens))) return false;
  const stretch = new Stretch();
  let at = 0;
  for (const slice of slices(image.subarray(header.headerBytes))) {
    const plain = decipher.update(slice);
    options.target?.set(plain, at);
    at += slice.byteLength;
    await stretch.pause();
  }
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}

/**
 * The same, off the calling thread.
 * @param head at least the image's header
 * @param payload `to` has the size of `from`
 */
export async function nativeUnseal(
  aead: NativeAead,
  head: Uint8Array,
  header: ImageHeader,
  seal: Seal,
  payload: { readonly from: Bytes; readonly to: Bytes; readonly tokens?: Int32Array | undefined },
): Promise<boolean> {
  const from = tokensOf(head, header);
  const to = new Uint8Array(from.byteLength);
  const { nonce, payloadTag: tag } = header;
  const opening = { key: seal.keyOf(header.key), nonce, fields: head.subarray(0, boundBytes), tag };
  if (!(await aead.decrypt(opening, [{ from, to }, payload]))) return false;
  return payload.tokens === undefined || Buffer.from(tokenBytes(payload.tokens)).equals(to);
}

/** The tokens as they are stored: sealed, if the image is. */
function tokensOf(head: Uint8Array, { tokenCount }: ImageHeader): Uint8Array {
  return head.subarray(tokensAt, tokensAt + 4 * tokenCount);
}

/** What the payload's tag depends on besides the payload. */
function bindingOf(head: Uint8Array, header: ImageHeader): Uint8Array[] {
  return [head.subarray(0, boundBytes), tokensOf(head, header)];
}

function tokenBytes(tokens: Int32Array): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}

/** Covers the whole header but itself, padding included. */
function headerTag(image: Uint8Array, headerBytes: number): Buffer {
  const hash = createHash('sha256').update(image.subarray(0, headerTagAt));
  return hash.update(image.subarray(tokensAt, headerBytes)).digest().subarray(0, tagBytes);
}
