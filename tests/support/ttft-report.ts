/** A report as benchTtft() makes it. For tests. */
import type { TtftReport, TtftRow } from '@block-attention/engine/eval';

export function ttftRow(tokens: number, fullMs: number | null, blockMs: number): TtftRow {
  return {
    tokens,
    contextTokens: tokens - 50,
    questionTokens: 50,
    blocks: Math.ceil(tokens / 512),
    reusedBytes: tokens * 23_040,
    fullMs,
    engineFullMs: fullMs === null ? null : fullMs * 1.2,
    llamaCppMs: fullMs,
    llamaCppFlashAttention: fullMs === null ? null : true,
    blockMs,
    blockParts: { planMs: 1, acquireMs: 1, prefillMs: blockMs - 2 },
    fullFlops: 2e8 * tokens,
    blockFlops: 1e10,
    fullLinearFlops: 1.9e8 * tokens,
    blockLinearFlops: 9e9,
    encodeMs: tokens,
    runs: { block: 5, engineFull: 1, llamaCpp: fullMs === null ? 0 : 1 },
  };
}

export function ttftReport(rows: readonly TtftRow[]): TtftReport {
  return {
    rows,
    machine: { cpu: 'Example CPU', cores: 2, memoryBytes: 2 ** 34, platform: 'linux x64', node: 'v20.20.0' },
    model: {
      path: '/models/example.gguf',
      name: 'Example',
      architecture: 'llama',
      parameters: 134_515_008,
      layers: 30,
      heads: 9,
      kvHeads: 3,
      headDim: 64,
      embeddingLength: 576,
      vocabulary: 49_152,
      weightType: 'q4_1',
      fileBytes: 0,
      digest: '',
      chatTemplate: null,
      trainedContext: 8192,
      kvBytesPerToken: 23_040,
      kvBytesPerBlock: 0,
      recomputes: true,
      adapter: null,
      warnings: [],
    },
    kvType: 'f16',
    attention: 'portable',
    threads: 2,
    blockTokens: 512,
    reference: 'llama.cpp',
  };
}
