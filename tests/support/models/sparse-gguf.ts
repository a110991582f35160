/**
 * A GGUF file whose tensors lie beyond 4 GiB, of which next to nothing is on the disk: its first tensor grows by a hole.
 */
import { constants } from 'node:buffer';
import { open, readFile } from 'node:fs/promises';
import { openGguf } from '../../../packages/engine/src/ggml/gguf/gguf-file.ts';

const rowBytes = 1 << 20;

/**
 * Rewrites a file whose first tensor is `hole`, f32, one row of `rowBytes`: it gets so many rows that what follows lies
 * beyond the longest view.
 */
export async function openHole(path: string): Promise<void> {
  const file = await openGguf(path);
  const [first, ...others] = file.tensors.values();
  if (first?.name !== 'hole' || first.bytes !== rowBytes) throw new Error('the first tensor is not a hole of one row');
  const start = first.offset;
  const bytes = await readFile(path);
  const header = Buffer.from(bytes.subarray(0, start));
  const rows = Math.ceil(constants.MAX_LENGTH / rowBytes) + 16;
  /** The fields after a tensor's name: number of dimensions, dimensions, type, offset from the first tensor. */
  const fieldsOf = (name: string) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(name.length));
    return header.indexOf(Buffer.concat([length, Buffer.from(name)])) + 8 + name.length;
  };
  const moved = (rows - 1) * rowBytes;
  header.writeBigUInt64LE(BigInt(rows), fieldsOf(first.name) + 4 + 8);
  for (const { name, offset } of others) {
    const at = fieldsOf(name);
    header.writeBigUInt64LE(BigInt(offset - start + moved), at + 4 + 8 * header.readUInt32LE(at) + 4);
  }
  const handle = await open(path, 'w');
  try {
    await handle.write(header, 0, start, 0);
    const rest = bytes.subarray(start + rowBytes);
    await handle.write(rest, 0, rest.length, start + rows * rowBytes);
  } finally {
    await handle.close();
  }
}

/** The tensor to write first. */
export const hole = { name: 'hole', ne: [rowBytes / 4, 1], data: () => new Uint8Array(rowBytes) } as const;
