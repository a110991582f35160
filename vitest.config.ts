import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // The engine by its sources, as tsconfig.json says.
  resolve: { tsconfigPaths: true },
  test: {
    include: [
      'src/**/*.test.ts',
      'packages/*/{src,native}/**/*.test.ts',
      'tests/**/*.test.ts',
      'bench/**/*.test.ts',
      'web/**/*.test.ts',
      'reproduce/**/*.test.ts',
    ],
    // Native compute saturates the machine from one file already.
    pool: 'forks',
    maxWorkers: 2,
    // Two files at a time on two cores: threads that spin for each other would take turns otherwise.
    env: {
      BLOCK_ATTENTION_THREADS: '1',
      BLOCK_ATTENTION_MODEL: 'embedded',
      // Processes that tests start elsewhere find the engine's sources, too.
      TSX_TSCONFIG_PATH: file('tsconfig.json'),
    },
    // Against hanging alone: on a busy machine a test of two seconds may take minutes.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // `npm run coverage`: what the rooms' own tests reach. The floor is what was measured, less a point or two.
    coverage: {
      provider: 'v8',
      include: ['packages/engine/src/{engine,eval,train}/**/*.ts'],
      exclude: ['**/*.test.ts'],
      reporter: ['text', 'text-summary'],
      thresholds: {
        statements: 84,
        branches: 77,
        functions: 85,
        lines: 86,
        'packages/engine/src/train/**': { lines: 95, branches: 83 },
      },
    },
  },
});
