import { describe, expect, it } from 'vitest';
import { Meter } from './meter.js';
import { parseOptions, quick } from './options.js';
import { systems } from './systems/index.js';
import { experiments, workloads } from './workloads/index.js';

const catalogue = {
  figures: [
    { key: 'tcp-1', group: 'tcp' },
    { key: 'tcp-4', group: 'tcp' },
    { key: 'pps-64b-1f', group: 'pps' },
    { key: 'tcp-rr', group: 'latency' },
  ],
  systems: ['weft', 'kernel', 'fastd', 'tinc'],
};
const parse = (...argv: string[]) => parseOptions(argv, catalogue);

describe('parseOptions', () => {
  it('measures everything by default', async () => {
    expect(await parse()).toEqual({
      rounds: 5,
      seconds: 5,
      only: ['tcp-1', 'tcp-4', 'pps-64b-1f', 'tcp-rr'],
      systems: ['weft', 'kernel', 'fastd', 'tinc'],
      keepDisturbed: false,
      json: null,
    });
  });

  it('is short with --quick, but for what is given', async () => {
    const options = await parse('--quick', '--rounds', '7');
    expect(options).toMatchObject({ rounds: 7, seconds: 2, systems: ['weft', 'kernel', 'fastd'] });
    expect((await parse('--quick', '--peers', 'tinc')).systems).toEqual(['weft', 'tinc']);
  });

  it('takes figures and groups of them, in the order of the tables', async () => {
    expect((await parse('--only', 'latency,tcp')).only).toEqual(['tcp-1', 'tcp-4', 'tcp-rr']);
    expect((await parse('--only', 'tcp-4')).only).toEqual(['tcp-4']);
  });

  it('always measures weft', async () => {
    expect((await parse('--peers', 'tinc,kernel')).systems).toEqual(['weft', 'kernel', 'tinc']);
    expect((await parse('--peers', '')).systems).toEqual(['weft']);
  });
});

describe('the catalogue of the benchmark', () => {
  const meter = new Meter();
  const figures = [...workloads(meter), ...experiments(meter)];
  const keys = figures.map(({ key }) => key);
  const groups = figures.map(({ group }) => group);

  it('has one figure a key, and no group by the name of a key', () => {
    expect(new Set(keys).size).toBe(keys.length);
    expect(groups.filter((group) => keys.includes(group))).toEqual([]);
  });

  it('begins with weft, and has one system a key', () => {
    const names = systems.map(({ key }) => key);
    expect(names[0]).toBe('weft');
    expect(new Set(names).size).toBe(names.length);
  });

  it('has what a quick run measures', () => {
    expect(quick.only.filter((key) => !keys.includes(key))).toEqual([]);
  });

  it('has experiments with systems that there are only', () => {
    const names = systems.map(({ key }) => key);
    const unknown = experiments(meter).flatMap((one) => one.systems.filter((key) => !names.includes(key)));
    expect(unknown).toEqual([]);
  });
});
