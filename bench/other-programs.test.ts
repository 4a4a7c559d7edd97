import { describe, expect, it } from 'vitest';
import { otherTicks, type ProcessStat, parseProcessStat } from './other-programs.js';

function stat(pid: number, parent: number, ticks: number): ProcessStat {
  return { pid, parent, ticks, ownTicks: ticks };
}

describe('parseProcessStat', () => {
  it('reads past a name with spaces and parentheses', () => {
    const head = '77 (a) b (c) S 12 77 77 0 -1 4194304 10 11 12 13';
    const text = `${head} 140 150 160 170 20 0 1 0 2200 1000 50\n`;
    expect(parseProcessStat(text)).toEqual({ pid: 77, parent: 12, ticks: 620, ownTicks: 290 });
  });
});

describe('otherTicks', () => {
  it('leaves out our own tree and kernel threads', () => {
    const ours = [stat(40, 30, 1000), stat(50, 40, 1000), stat(51, 50, 1000)];
    const kernel = [stat(2, 0, 1000), stat(9, 2, 1000)];
    const others = [stat(1, 0, 1), stat(30, 1, 2), stat(60, 30, 4)];
    expect(otherTicks([...ours, ...kernel, ...others], new Set([40]))).toBe(7);
  });

  it('leaves out daemons that have left our tree', () => {
    const processes = [stat(40, 30, 1000), stat(70, 1, 500), stat(71, 70, 50), stat(60, 1, 4)];
    expect(otherTicks(processes, new Set([40, 70]))).toBe(4);
  });
});
