import { describe, expect, it } from 'vitest';
import { parseEchoes } from './echoes.js';

const line = (sequence: number, milliseconds: string) =>
  `64 bytes from 10.42.0.2: icmp_seq=${sequence} ttl=64 time=${milliseconds} ms`;
const said = (...lines: string[]) =>
  [
    'PING 10.42.0.2 (10.42.0.2) 56(84) bytes of data.',
    ...lines,
    '',
    '--- 10.42.0.2 ping statistics ---',
  ].join('\n');

describe('parseEchoes', () => {
  it('leaves the warm-up out and sorts by time', () => {
    const echoes = parseEchoes(
      said(line(1, '900'), line(2, '1.00'), line(3, '0.100'), line(4, '0.300')),
      4,
      1,
    );
    expect(echoes.median).toBe(300);
    expect(echoes.longest).toBe(1000);
    expect(echoes.mean).toBeCloseTo((1000 + 100 + 300) / 3);
    expect(echoes.lostPercent).toBe(0);
  });

  it('counts what did not come back', () => {
    expect(parseEchoes(said(line(2, '0.1'), line(5, '0.1')), 5, 1).lostPercent).toBe(50);
  });

  it('refuses silence', () => {
    expect(() => parseEchoes(said(), 10, 0)).toThrow('no echo');
    expect(() => parseEchoes(said(line(1, '0.1')), 10, 1)).toThrow('no echo');
  });
});
