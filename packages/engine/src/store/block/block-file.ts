/**
 * Checks one stored block from end to end, without the request that would use it: for verifying, and for importing.
 *
 * Off the calling thread where there is native code for it, so that a server which verifies goes on answering.
 */
import { nativeAead } from '../../ggml/native/native-aead.ts';
import type { BlockKey } from '../block-store.ts';
import { type ImageHeader, nativeUnseal, payloadIsWhole, readHeader, unseal } from './image.ts';
import type { Seal } from './seal.ts';

export interface CheckedImage {
  /** Undefined when the header itself is damaged. */
  readonly header: ImageHeader | undefined;
  /**
   * `whole`: header and payload are what was written. `sealed`: only the header could be checked, for want of the key.
   * Anything else is the reason why it is of no use.
   */
  readonly state: 'whole' | 'sealed' | (string & {});
}

/** Checks an image that was found under a key. Reads all of it. */
export async function checkImage(
  image: Uint8Array,
  key: BlockKey | undefined,
  seal: Seal | undefined,
): Promise<CheckedImage> {
  const header = readHeader(image);
  if (typeof header === 'string') return { header: undefined, state: header };
  if (key !== undefined && header.key !== key) return { header, state: 'foreign' };
  if (!header.sealed) return { header, state: (await payloadIsWhole(image, header)) ? 'whole' : 'checksum' };
  if (seal === undefined || !Buffer.from(seal.id).equals(header.sealId)) return { header, state: 'sealed' };
  return { header, state: (await opens(image, header, seal)) ? 'whole' : 'checksum' };
}

/** Whether a sealed image was sealed with this key, and is what was written. */
async function opens(image: Uint8Array, header: ImageHeader, seal: Seal): Promise<boolean> {
  const aead = await nativeAead();
  if (aead === undefined) return unseal(image, header, seal);
  const from = image.subarray(header.headerBytes);
  return nativeUnseal(aead, image, header, seal, { from, to: Buffer.allocUnsafeSlow(from.byteLength) });
}
