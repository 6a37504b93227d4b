import { defineConfig } from 'vitest/config';

// Tests run from `src` through the `source` export condition: no build step.
// Beyond `source` they are Node's own: what a bundler would take of a package is not what runs here.
const conditions = ['source', 'node', 'development|production'];

/** Tests that start servers or whole programs. They run after all others, one file at a time: what they measure is not a race for the CPU. */
const SERVERS = [
  'tests/fleet/**', 'tests/pg/**', 'tests/mysql/**', 'tests/redis/**', 'tests/tcp/**', 'tests/http/**', 'tests/demo/**', 'tests/playground/**',
  'tests/proxy-program/**',
  'tests/examples/**', 'tests/drop-ins/{pg-pool,mysql2}/**', 'tests/consumers/**', 'tests/proxy/**', 'tests/console/**',
];

const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['source', 'node'] } },
};

export default defineConfig({
  ...shared,
  test: {
    reporters: ['default', './scripts/lib/summary-reporter.mjs'],
    projects: [
      {
        ...shared,
        test: {
          name: 'fast',
          include: ['tests/**/*.test.ts'],
          exclude: [...SERVERS, '**/fixtures/**', '**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: '100%',
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          name: 'servers',
          include: SERVERS.map((folder) => `${folder}/*.test.ts`),
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
