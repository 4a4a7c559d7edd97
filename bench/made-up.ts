import { RESULT_FORMAT, type Result } from './results.js';
import type { Series } from './rounds.js';
import type { Figure, Reading } from './workloads/workload.js';

/** Results for tests, which nobody has measured. */
export const tcp: Figure = {
  key: 'tcp-1',
  group: 'tcp',
  title: 'TCP, 1 stream',
  unit: 'Gbit/s',
  higherIsBetter: true,
  costUnit: 'CPU s/GB',
};

export const roundTrip: Figure = {
  key: 'tcp-rr',
  group: 'latency',
  title: 'TCP request/response',
  unit: 'us',
  higherIsBetter: false,
  costUnit: 'CPU us/request',
};

export function madeUpReading(value: number, cost: number | null = 1): Reading {
  const cpu = { busyCpus: 1.5, stealShare: 0, otherCpus: 0, workCpus: 1.5, daemonCpus: 0.5 };
  return { value, cost, cpu, details: { retransmits: value * 10 } };
}

/** A series with these values round by round; null for a round without a reading. */
export function madeUpSeries(figure: string, system: string, values: readonly (number | null)[]): Series {
  const readings = values.map((value) => (value === null ? null : madeUpReading(value)));
  return { figure, system, readings, discarded: 0, reason: null };
}

export function madeUpResult(series: Series[], changes: Partial<Result> = {}): Result {
  const names = [...new Set(series.map(({ system }) => system))];
  return {
    format: RESULT_FORMAT,
    date: '2026-01-02T03:04:05.000Z',
    commit: '0123456789',
    machine: { name: '2x-cpu', cpus: 2, model: 'a CPU', kernel: '6.18', node: 'v20' },
    rounds: 3,
    seconds: 5,
    keepDisturbed: false,
    idleCpus: 0.03,
    subject: 'weft',
    systems: names.map((key) => ({
      ...{
        key,
        title: key,
        layer: key === 'nebula' ? 3 : 2,
        version: `${key} 1`,
        guestMtu: 1450,
        failure: null,
      },
    })),
    figures: [tcp, roundTrip].filter(({ key }) => series.some(({ figure }) => figure === key)),
    series,
    ...changes,
  };
}
