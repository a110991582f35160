import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'packages/engine/native/**/*.test.ts',
      'tests/**/*.test.ts',
      'bench/**/*.test.ts',
      'web/**/*.test.ts',
      'reproduce/**/*.test.ts',
    ],
    // Native compute saturates the machine from one file already.
    pool: 'forks',
    maxWorkers: 2,
    // Two files at a time on two cores: threads that spin for each other would take turns otherwise.
    env: { BLOCK_ATTENTION_THREADS: '1', BLOCK_ATTENTION_MODEL: 'embedded' },
    // Against hanging alone: on a busy machine a test of two seconds may take minutes.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
