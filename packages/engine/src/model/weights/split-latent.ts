/**
 * Files of before 2025 have one map from a latent to the keys and values of all heads. Attention needs them apart, that of
 * keys the other way round: copies in 16 bits, or 32 where the file has those, under the names that newer files use.
 */
import type { Backend } from '../../ggml/device/backend.ts';
import type { GgufFile } from '../../ggml/gguf/gguf-file.ts';
import { TensorData } from '../../ggml/gguf/tensor-data.ts';
import { quantize } from '../../ggml/graph/quantize.ts';
import { TensorType } from '../../ggml/graph/tensor.ts';
import type { HyperParameters } from '../architecture/hyper-parameters.ts';
import { isConvolution } from '../architecture/mixers.ts';
import type { Weights } from './weights.ts';

/** Adds the parts of every such map of `file` to its weights. @throws MODEL_TOO_LARGE, MODEL_INVALID */
export function splitLatentMaps(weights: Weights, file: GgufFile, backend: Backend, hp: HyperParameters): void {
  const found = hp.mixers.flatMap((mixer, layer) => {
    if (isConvolution(mixer)) return [];
    const { latent, heads } = mixer;
    const entry = file.tensors.get(`blk.${layer}.attn_kv_b.weight`);
    return latent === undefined || entry === undefined ? [] : [{ latent, heads, layer, entry }];
  });
  if (found.length === 0) return;
  using data = new TensorData(file.paths);
  for (const { latent, heads, layer, entry } of found) {
    const { rank, plainDim, outputDim } = latent;
    const each = plainDim + outputDim;
    weights.require(entry.name, rank, heads * each);
    const values = data.values(entry); // [heads][plain keys, then values][rank]
    const keys = new Float32Array(heads * rank * plainDim); // [heads][rank][plain]
    const results = new Float32Array(heads * outputDim * rank); // [heads][output][rank]
    for (let head = 0; head < heads; head++) {
      const first = head * each * rank;
      for (let i = 0; i < plainDim; i++) {
        for (let j = 0; j < rank; j++) keys[(head * rank + j) * plainDim + i] = values[first + i * rank + j] ?? 0;
      }
      results.set(values.subarray(first + plainDim * rank, first + each * rank), head * outputDim * rank);
    }
    const type = entry.type === TensorType.F32 ? TensorType.F32 : TensorType.F16;
    const at = `blk.${layer}.`;
    weights.add(backend, [
      { name: `${at}attn_k_b.weight`, type, ne: [plainDim, rank, heads, 1], data: quantize(type, keys, plainDim) },
      { name: `${at}attn_v_b.weight`, type, ne: [rank, outputDim, heads, 1], data: quantize(type, results, rank) },
    ]);
  }
}
