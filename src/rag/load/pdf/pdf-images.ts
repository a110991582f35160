/** Pictures on a page of a PDF, as grey pixels for text recognition. */
import { getResolvedPDFJS } from 'unpdf';

/** Rows from the top, a byte per pixel: 0 is black. */
export interface GreyImage {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

/** What of a page of PDF.js is used here. */
export interface PicturePage {
  getOperatorList(): Promise<{ readonly fnArray: readonly number[]; readonly argsArray: readonly unknown[] }>;
  readonly objs: PictureStore;
  readonly commonObjs: PictureStore;
}

interface PictureStore {
  get(name: string, then: (value: unknown) => void): unknown;
}

/** Smaller ones are ornaments. */
const [leastWidth, leastHeight] = [64, 16];
const mostPixels = 64_000_000;

/** In the order in which they are painted; those that are too small or too large for text are left out. */
export async function picturesOf(page: PicturePage): Promise<GreyImage[]> {
  const { fnArray, argsArray } = await page.getOperatorList();
  const { OPS } = await getResolvedPDFJS();
  const images: GreyImage[] = [];
  for (const [index, operator] of fnArray.entries()) {
    const [first] = (argsArray[index] ?? []) as readonly unknown[];
    if (operator === OPS.paintImageXObject) images.push(...grey(await stored(page, first)));
    else if (operator === OPS.paintInlineImageXObject) images.push(...grey(first));
    else if (operator === OPS.paintImageMaskXObject) images.push(...grey(await maskOf(page, first)));
  }
  return images;
}

function stored({ objs, commonObjs }: PicturePage, name: unknown): Promise<unknown> {
  if (typeof name !== 'string') return Promise.resolve(undefined);
  return new Promise((resolve) => void (name.startsWith('g_') ? commonObjs : objs).get(name, resolve));
}

/** A mask paints where it is 0, as black does. */
async function maskOf(page: PicturePage, given: unknown): Promise<unknown> {
  if (typeof given !== 'object' || given === null || !('data' in given)) return undefined;
  return typeof given.data === 'string' ? { ...given, ...((await stored(page, given.data)) as object) } : given;
}

/** As PDF.js gives pixels: a bit each, rows padded to bytes; or three or four bytes each. */
function grey(image: unknown): GreyImage[] {
  if (typeof image !== 'object' || image === null) return [];
  const { width, height, data } = image as { width?: unknown; height?: unknown; data?: unknown };
  if (typeof width !== 'number' || typeof height !== 'number') return [];
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) return [];
  const count = width * height;
  if (width < leastWidth || height < leastHeight || count > mostPixels) return [];
  const pixels = new Uint8Array(count);
  const channels = data.length / count;
  if (channels === 3 || channels === 4) {
    for (let i = 0; i < count; i++) {
      const at = i * channels;
      // Luma of Rec. 601, in 256ths.
      pixels[i] = (77 * (data[at] ?? 0) + 150 * (data[at + 1] ?? 0) + 29 * (data[at + 2] ?? 0)) >> 8;
    }
  } else if (channels === 1) pixels.set(data);
  else {
    const row = (width + 7) >> 3;
    if (data.length < row * height) return [];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const bit = ((data[y * row + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1;
        pixels[y * width + x] = bit * 255;
      }
    }
  }
  return [{ width, height, pixels }];
}
