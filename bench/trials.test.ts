import { describe, expect, it } from 'vitest';
import { Guest } from '../lab/guest.js';
import type { Lab } from '../lab/lab.js';
import type { Namespace } from '../lab/namespace.js';
import { Meter, type Timing, type WithDaemons } from './meter.js';
import type { System } from './systems/system.js';
import { experimentTrials, type Participant, participate, workloadTrials } from './trials.js';
import type { Experiment, Workload } from './workloads/workload.js';

const guest = new Guest({ name: 'guest' } as Namespace);
const bed = {
  client: guest,
  server: guest,
  serverAddress: '10.42.0.2',
  serverAddress6: null,
  clientAddress: '10.42.0.1',
  interface: 'eth0',
  daemons: () => [],
};

function participant(key: string, layer: 2 | 3 = 2): Participant {
  const open = () => Promise.resolve(bed);
  const version = () => Promise.resolve(key);
  const system = { key, title: key, layer, packages: [], version, open };
  return { system, version: key, bed, guestMtu: 1450, failure: null };
}

function workload(more: Partial<Workload>): Workload {
  const figure = { key: 'x', group: 'g', title: 'X', unit: 'kpps', higherIsBetter: true, costUnit: null };
  const run = () => Promise.resolve({ value: 1, cost: null, cpu: null, details: {} });
  return { ...figure, needs: {}, run, ...more };
}

describe('workloadTrials', () => {
  const two = [participant('weft'), participant('nebula', 3)];

  it('asks every system', () => {
    const trials = workloadTrials([workload({})], two);
    expect(trials.map(({ system, reason }) => [system, reason])).toEqual([
      ['weft', null],
      ['nebula', null],
    ]);
    expect(trials.every(({ run, maxRounds }) => run !== null && maxRounds === undefined)).toBe(true);
  });

  it('asks only the systems and only so many rounds that a workload wants', () => {
    const trials = workloadTrials([workload({ systems: ['weft', 'ovs'], rounds: 2 })], two);
    expect(trials.map(({ system, maxRounds }) => [system, maxRounds])).toEqual([['weft', 2]]);
  });

  it('says why a system cannot be measured', () => {
    const reasons = (needs: Workload['needs']) =>
      workloadTrials([workload({ needs })], two).map(({ reason }) => reason);
    expect(reasons({ layer2: true })).toEqual([null, 'carries IP packets only']);
    expect(reasons({ ipv6: true })).toEqual(['carries no IPv6 here', 'carries no IPv6 here']);
    for (const needs of [{ neighbour: true }, { serverNeighbour: true }]) {
      expect(reasons(needs)[0]).toBe('joins no two guests of one host');
    }
  });

  it('says why a system could not be made', () => {
    const missing = { ...participant('tinc'), bed: null, failure: 'tincd: not found' };
    expect(workloadTrials([workload({})], [missing])).toMatchObject([
      { run: null, reason: 'tincd: not found' },
    ]);
  });
});

describe('participate', () => {
  const lab = { interrupted: false } as Lab;

  function systemOf(changes: Partial<System>): System {
    const { system } = participant('tinc');
    return { ...system, open: () => Promise.reject(new Error('no such device')), ...changes };
  }

  it('tells why a system cannot be made', async () => {
    const got = await participate(lab, systemOf({}), new Meter(), true);
    expect(got).toMatchObject({ version: 'tinc', bed: null, failure: 'no such device' });
  });

  it('tells that a system is not there at all', async () => {
    const system = systemOf({ version: () => Promise.reject(new Error('tincd: not found')) });
    expect(await participate(lab, system, new Meter(), true)).toMatchObject({ failure: 'tincd: not found' });
  });

  it('makes no bed that nobody asks for', async () => {
    const got = await participate(lab, systemOf({}), new Meter(), false);
    expect(got).toMatchObject({ version: 'tinc', bed: null, failure: null });
  });

  it('ends with a failure that comes from an interruption', async () => {
    const ending = { interrupted: true } as Lab;
    await expect(participate(ending, systemOf({}), new Meter(), true)).rejects.toThrow('no such device');
  });
});

describe('experimentTrials', () => {
  const { key, group, title, unit, higherIsBetter, costUnit } = workload({});
  const figure = { key, group, title, unit, higherIsBetter, costUnit };
  const reading = { value: 1, cost: null, cpu: null, details: {} };
  const stolen = { busyCpus: 1, stealShare: 0.2, otherCpus: 0, workCpus: 1, daemonCpus: 0 };

  /** A machine of which the hypervisor always takes a fifth. */
  class StolenMeter extends Meter {
    override async timed<T>(_system: WithDaemons | null, work: () => Promise<T>): Promise<Timing<T>> {
      return { result: await work(), seconds: 1, cpu: stolen, cpuSeconds: 1 };
    }
  }

  function experiment(changes: Partial<Experiment>): Experiment {
    const run = () => Promise.resolve(reading);
    return { ...figure, systems: ['weft', 'kernel'], rounds: 2, run, ...changes };
  }

  async function taken(changes: Partial<Experiment>) {
    const closed = { count: 0 };
    const close = () => {
      closed.count += 1;
      return Promise.resolve();
    };
    const openLab = () => Promise.resolve({ close } as Lab);
    const [trial] = experimentTrials([experiment(changes)], ['weft'], new StolenMeter(), openLab);
    const result = await trial?.run?.(1);
    expect(closed.count).toBe(1);
    return result;
  }

  it('takes the systems of each experiment that were asked for', () => {
    const trials = experimentTrials([experiment({})], ['weft', 'tinc'], new Meter());
    expect(trials.map(({ system, maxRounds }) => [system, maxRounds])).toEqual([['weft', 2]]);
  });

  it('tells what the machine did during a reading, and does not give it for the reading', async () => {
    expect(await taken({})).toEqual({ reading, during: stolen });
  });

  it('believes an experiment that knows better when it measured', async () => {
    const quiet = { ...stolen, stealShare: 0 };
    const run = () => Promise.resolve({ ...reading, cpu: quiet });
    expect(await taken({ run })).toMatchObject({ during: quiet });
  });

  it('does not judge what nobody can disturb', async () => {
    expect(await taken({ unmoved: true })).toEqual({ reading, during: null });
  });
});
