import { afterEach, describe, expect, it, vi } from 'vitest';
import { gatedFigures } from './gate.js';
import { groupTitle } from './groups.js';
import { Meter } from './meter.js';
import { parseCommand, quick } from './options.js';
import { systems } from './systems/index.js';
import { targets } from './targets.js';
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

async function run(...argv: string[]) {
  const command = await parseCommand(argv, catalogue);
  if (command.name !== 'run') throw new Error(`parsed as ${command.name}`);
  return command.options;
}

describe('parseCommand', () => {
  it('measures everything by default', async () => {
    expect(await run()).toEqual({
      rounds: 5,
      seconds: 3,
      only: ['tcp-1', 'tcp-4', 'pps-64b-1f', 'tcp-rr'],
      systems: ['weft', 'kernel', 'fastd', 'tinc'],
      keepDisturbed: false,
      machine: null,
      save: true,
      json: null,
      gate: null,
    });
  });

  it('is short with --quick, but for what is given', async () => {
    const options = await run('--quick', '--rounds', '7');
    expect(options).toMatchObject({ rounds: 7, seconds: 2, systems: ['weft', 'kernel', 'fastd'] });
    expect((await run('--quick', '--peers', 'tinc')).systems).toEqual(['weft', 'tinc']);
  });

  it('takes figures and groups of them, in the order of the tables', async () => {
    expect((await run('--only', 'latency,tcp')).only).toEqual(['tcp-1', 'tcp-4', 'tcp-rr']);
    expect((await run('--only', 'tcp-4')).only).toEqual(['tcp-4']);
  });

  it('always measures weft', async () => {
    expect((await run('--peers', 'tinc,kernel')).systems).toEqual(['weft', 'kernel', 'tinc']);
    expect((await run('--peers', 'none')).systems).toEqual(['weft']);
  });

  it('saves nothing where it is told so', async () => {
    expect(await run('--no-save', '--json', 'x.json')).toMatchObject({ save: false, json: 'x.json' });
  });

  it('measures what the gate needs, beside the kernel, and keeps it out of the results', async () => {
    const options = await run('--gate');
    expect(options).toMatchObject({ systems: ['weft', 'kernel'], save: false, gate: { file: null } });
    expect(options.only).toEqual(['tcp-1', 'tcp-4', 'pps-64b-1f', 'tcp-rr']);
    expect(await run('--gate', 'a.json', '--only', 'tcp-1')).toMatchObject({
      gate: { file: 'a.json' },
      only: ['tcp-1'],
    });
    expect((await run('--gate', '--save')).save).toBe(true);
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('takes whole seconds only', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`);
    });
    expect((await run('--seconds', '2')).seconds).toBe(2);
    await expect(run('--seconds', '2.5')).rejects.toThrow('exit 1');
    expect(said.mock.calls.flat().join('\n')).toContain('--seconds: not a whole number from 1 to 3600');
  });

  it('counts all lists that an option is given, and takes no other option twice', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`);
    });
    const options = await run('--only', 'tcp-4', '--only', 'latency', '--peers', 'tinc', '--peers', 'fastd');
    expect(options).toMatchObject({ only: ['tcp-4', 'tcp-rr'], systems: ['weft', 'fastd', 'tinc'] });
    await expect(run('--json', 'a.json', '--json', 'b.json')).rejects.toThrow('exit 1');
    expect(said.mock.calls.flat().join('\n')).toContain('--json: given more than once');
  });

  it('refuses a gate without the system that it is about', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`);
    });
    expect((await run('--gate', '--peers', 'kernel,tinc')).systems).toEqual(['weft', 'kernel', 'tinc']);
    await expect(run('--gate', '--peers', 'tinc')).rejects.toThrow('exit 1');
    expect(said.mock.calls.flat().join('\n')).toContain('--peers: the gate needs kernel');
  });

  it('takes `run` for what it does without', async () => {
    expect((await run('run', '--quick')).rounds).toBe(2);
  });

  it('refuses a gate of fewer rounds than it judges by', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`);
    });
    expect(await run('--gate', '--rounds', '3')).toMatchObject({ rounds: 3 });
    await expect(run('--gate', '--rounds', '2')).rejects.toThrow('exit 1');
    expect(said.mock.calls.flat().join('\n')).toContain('--rounds: the gate needs 3');
  });

  it('knows the other commands', async () => {
    const before = ['compare', 'a.json', 'b.json'];
    expect(await parseCommand(before, catalogue)).toEqual({
      ...{ name: 'compare', before: 'a.json', after: 'b.json', json: false },
    });
    expect(await parseCommand([...before, '--json'], catalogue)).toMatchObject({ json: true });
    expect(await parseCommand(['report', 'a.json', '--publish'], catalogue)).toEqual({
      ...{ name: 'report', file: 'a.json', publish: true },
    });
    expect(await parseCommand(['packages', '--peers', 'tinc'], catalogue)).toMatchObject({
      name: 'packages',
      options: { systems: ['weft', 'tinc'] },
    });
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

  it('has a title for each group', () => {
    expect(groups.filter((group) => groupTitle(group) === group)).toEqual([]);
  });

  it('begins with weft, and has one system a key', () => {
    const names = systems.map(({ key }) => key);
    expect(names[0]).toBe('weft');
    expect(new Set(names).size).toBe(names.length);
  });

  it('has what a quick run and the gate measure', () => {
    expect([...quick.only, ...gatedFigures].filter((key) => !keys.includes(key))).toEqual([]);
  });

  it('has experiments with systems that there are only', () => {
    const names = systems.map(({ key }) => key);
    const unknown = experiments(meter).flatMap((one) => one.systems.filter((key) => !names.includes(key)));
    expect(unknown).toEqual([]);
  });

  it('has what the targets are about, in their units', () => {
    for (const { figure, over, unit } of targets) {
      const found = figures.find(({ key }) => key === figure);
      expect(found?.key).toBe(figure);
      if (over === null) expect(found?.unit).toBe(unit);
    }
  });
});
