import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          testTimeout: 60_000,
          // Vitest leaves one CPU to itself, which of two is half.
          maxWorkers: '100%',
          include: [
            'daemon/**/*.test.ts',
            'lab/**/*.test.ts',
            'bench/**/*.test.ts',
            'scripts/**/*.test.ts',
            'tests/contract/**/*.test.ts',
          ],
        },
      },
      {
        // Real TAPs, namespaces and kernel devices: needs root and a built checkout. One file at a time, so that none starves another.
        test: {
          name: 'lab',
          include: ['tests/lab/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // Other makers' VTEPs: Linux, Open vSwitch, FRR. As above.
        test: {
          name: 'foreign',
          include: ['tests/foreign/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        // Real container engines, each in a host with a weftd; as above, and slower.
        test: {
          name: 'docker',
          include: ['tests/docker/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        // weftd as a service of a real systemd, each in a host of its own; as above.
        test: {
          name: 'systemd',
          include: ['tests/systemd/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
