/** Dense matrices in JavaScript, for what is done once at loading and saving. Row-major. */

/** Rows and columns exchanged. Works in tiles, so that neither side strides through the cache. */
export function transpose(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns;
  const out = new Float32Array(values.length);
  const tile = 32;
  for (let r0 = 0; r0 < rows; r0 += tile) {
    const r1 = Math.min(r0 + tile, rows);
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const c1 = Math.min(c0 + tile, columns);
      for (let r = r0; r < r1; r++) {
        for (let c = c0; c < c1; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
      }
    }
  }
  return out;
}

/**
 * values += scale * b a, in place.
 * @param values [out, in]. @param a [rank, in]. @param b [out, rank]
 */
export function addLowRank(values: Float32Array, a: Float32Array, b: Float32Array, rank: number, scale: number): void {
  const inputs = a.length / rank;
  const outputs = b.length / rank;
  for (let o = 0; o < outputs; o++) {
    const row = values.subarray(o * inputs, (o + 1) * inputs);
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b[o * rank + r] ?? 0);
      if (factor === 0) continue;
      const direction = a.subarray(r * inputs, (r + 1) * inputs);
      for (let i = 0; i < inputs; i++) row[i] = (row[i] ?? 0) + factor * (direction[i] ?? 0);
    }
  }
}
