// How the tests run: unit tests beside their files, tests that need a cluster in `test/`.
// The suites share one machine with small clusters, so files run a few at a time.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', 'store/**', '.chaos/**', 'dist/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
