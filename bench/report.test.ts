import { describe, expect, it } from 'vitest';
import { madeUpReading, madeUpResult, madeUpSeries } from './made-up.js';
import { report } from './report.js';

const series = [
  {
    ...madeUpSeries('tcp-1', 'weft', [null]),
    readings: [madeUpReading(8, 2), madeUpReading(9, 2)],
    discarded: 3,
  },
  { ...madeUpSeries('tcp-1', 'nebula', [null]), readings: [madeUpReading(4, 4), madeUpReading(4, 4)] },
  { ...madeUpSeries('tcp-1', 'tinc', [null]), reason: 'failed: a | b' },
  { ...madeUpSeries('tcp-1', 'n2n', []), reason: 'no n2n' },
];
const result = madeUpResult(series);
const failed = result.systems.map((system) =>
  system.key === 'n2n' ? { ...system, failure: 'no n2n' } : system,
);

describe('report', () => {
  const text = report({ ...result, systems: failed }, new Map([['tcp', 'x/tcp.svg']]));

  it('shows every system, the ratios, and why one was not measured', () => {
    expect(text).toContain('| weft | 8.50 (8-9) | - | 2 | - | 0.50 | 2 | 3 discarded |\n');
    expect(text).toContain('| nebula (L3) | 4 | **2.13** (2-2.25) | 4 | 0.50 | 0.50 | 2 |  |\n');
    expect(text).toContain('| tinc | not measured | - | - | - | - | 0 | failed: a \\| b |\n');
    expect(text).toContain('| tcp-1 | weft | retransmits | 85 (80-90) |\n');
  });

  it('says once that a system was not made', () => {
    expect(text).toContain('| n2n | n2n | n2n 1; failed: no n2n | L2 | 1450 |\n');
    expect(text.split('no n2n')).toHaveLength(2);
  });

  it('has the charts that there are', () => {
    expect(text).toContain('## TCP\n\n![TCP, by system](x/tcp.svg)\n');
    expect(report(result, new Map())).not.toContain('![');
  });

  it('says what was reached of the targets that were asked for', () => {
    expect(text).toContain(
      '| TCP, 1 stream, to the fastest other userspace system (nebula; not measured: tinc, n2n) | 8 | 12 | 2.13 | **missed** |\n',
    );
    expect(text).not.toContain('start to ready');
  });

  it('says whether bridged packets ran through the firewall, where it is known', () => {
    const machine = { ...result.machine, bridgeFirewall: true };
    const without = { ...machine, bridgeFirewall: false };
    expect(report({ ...result, machine }, new Map())).toContain(
      '\nBridged packets ran through the firewall.\n',
    );
    expect(report({ ...result, machine: without }, new Map())).toContain('did not run through the firewall');
    expect(text).not.toContain('firewall');
  });

  it('says that disturbed readings count', () => {
    expect(text).not.toContain('disturbed');
    expect(report({ ...result, keepDisturbed: true }, new Map())).toContain('hypervisor disturbed');
  });
});
