import { describe, expect, it } from 'vitest';
import { madeUpReading, madeUpResult, madeUpSeries } from './made-up.js';
import { report } from './report.js';

const series = [
  { ...madeUpSeries('tcp-1', 'weft', [null]), readings: [madeUpReading(8, 2)], discarded: 3 },
  { ...madeUpSeries('tcp-1', 'nebula', [null]), readings: [madeUpReading(4, 4)] },
  { ...madeUpSeries('tcp-1', 'n2n', [null]), reason: 'a | b' },
];
const result = madeUpResult(series);
const failed = result.systems.map((system) =>
  system.key === 'n2n' ? { ...system, failure: 'a | b' } : system,
);

describe('report', () => {
  const text = report({ ...result, systems: failed }, new Map([['tcp', 'x/tcp.svg']]));

  it('shows every system, the ratios, and why one was not measured', () => {
    expect(text).toContain('| weft | 8 (8-8) | - | 2 (2-2) | - | 0.50 (0.50-0.50) | 1 | 3 discarded |\n');
    expect(text).toContain('| nebula (L3) | 4 (4-4) | **2** (2-2) | 4 (4-4) | 0.50 (0.50-0.50) |');
    expect(text).toContain('| n2n | - | - | - | - | - | 0 | a \\| b |\n');
    expect(text).toContain('| n2n | n2n | n2n 1; failed: a \\| b | L2 | 1450 |\n');
    expect(text).toContain('| tcp-1 | weft | retransmits | 80 (80-80) |\n');
  });

  it('has the charts that there are', () => {
    expect(text).toContain('## TCP\n\n![TCP, by system](x/tcp.svg)\n');
    expect(report(result, new Map())).not.toContain('![');
  });

  it('says what was reached of the targets that were measured', () => {
    expect(text).toContain(
      '| TCP, 1 stream, to the fastest other userspace system (nebula) | 8 | 12 | 2 | **missed** |\n',
    );
    expect(text).not.toContain('start to ready');
  });

  it('says that disturbed readings count', () => {
    expect(text).not.toContain('disturbed');
    expect(report({ ...result, keepDisturbed: true }, new Map())).toContain('hypervisor disturbed');
  });
});
