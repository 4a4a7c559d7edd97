import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Guest } from '../lab/guest.js';
import type { Lab } from '../lab/lab.js';
import { tcp } from './made-up.js';
import { Meter } from './meter.js';
import type { BenchOptions } from './options.js';
import { type Equipment, measure } from './run.js';
import type { Bed, System } from './systems/system.js';
import type { Workload } from './workloads/workload.js';

/** One that has nothing to wait for. */
class ReadyMeter extends Meter {
  override calibrate(): Promise<void> {
    return Promise.resolve();
  }
}

const guest = { reach: () => Promise.resolve(), sys: () => Promise.resolve('1450') } as unknown as Guest;
const bed: Bed = {
  ...{ client: guest, clientAddress: '10.42.0.1' },
  ...{ server: guest, serverAddress: '10.42.0.2', serverAddress6: null },
  ...{ interface: 'eth0', daemons: () => [] },
};
const options: BenchOptions = {
  ...{ rounds: 1, seconds: 1, only: ['tcp-1'], systems: ['weft', 'kernel'], keepDisturbed: false },
  ...{ machine: null, save: false, json: null, gate: null },
};
const underlay = { attempt: () => Promise.resolve({ status: 0, stdout: '1\n', stderr: '' }) };
const lab = { interrupted: false, namespaces: [underlay] } as unknown as Lab;
const silence = new Writable({ write: (_chunk, _encoding, done) => done() });

function system(key: string, open = () => Promise.resolve(bed)): System {
  return { key, title: key, layer: 2, packages: [], version: () => Promise.resolve(key), open };
}

const workload: Workload = {
  ...{ ...tcp, needs: {} },
  run: () => Promise.resolve({ value: 1, cost: null, cpu: null, details: {} }),
};

function equipment(changes: Partial<Equipment>): Equipment {
  const systems = [system('weft'), system('kernel')];
  const meter = new ReadyMeter();
  return { systems, workloads: [workload], experiments: [], meter, commit: () => null, ...changes };
}

describe('measure', () => {
  it('names the commit of its beginning', async () => {
    let commit = 'built';
    const run: Workload['run'] = (...words) => {
      commit = 'of somebody else';
      return workload.run(...words);
    };
    const changes = { workloads: [{ ...workload, run }], commit: () => commit };
    expect((await measure(lab, equipment(changes), options, silence)).commit).toBe('built');
  });

  it('tells whether bridged packets run through the firewall of its namespaces', async () => {
    const { machine } = await measure(lab, equipment({}), options, silence);
    expect(machine.bridgeFirewall).toBe(true);
  });

  const broken = (key: string) => system(key, () => Promise.reject(new Error('no such device')));

  it('goes on without a system that cannot be made', async () => {
    const changes = { systems: [system('weft'), broken('kernel')] };
    const { series } = await measure(lab, equipment(changes), options, silence);
    expect(series).toMatchObject([
      { system: 'weft', readings: [{ value: 1 }] },
      { system: 'kernel', reason: 'no such device' },
    ]);
  });

  it('says what to do where every reading of a row was disturbed', async () => {
    const said: string[] = [];
    const out = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        said.push(chunk.toString());
        done();
      },
    });
    const cpu = { busyCpus: 2, stealShare: 0, otherCpus: 1, workCpus: 1, daemonCpus: 0 };
    let readings = 0;
    const run: Workload['run'] = () => {
      readings += 1;
      return Promise.resolve({ value: 1, cost: null, cpu: readings > 1 ? cpu : null, details: {} });
    };
    await measure(lab, equipment({ workloads: [{ ...workload, run }] }), options, out);
    expect(said.at(-1)).toMatch(/^1 of 2 rows have no reading that was left alone: .*--keep-disturbed\n$/);
    said.length = 0;
    await measure(lab, equipment({}), options, out);
    expect(said.at(-1)).toMatch(/^measured in /);
  });

  it('ends at once where the one that all are compared with cannot be made', async () => {
    const opened: string[] = [];
    const open = () => {
      opened.push('kernel');
      return Promise.resolve(bed);
    };
    const changes = { systems: [broken('weft'), system('kernel', open)] };
    await expect(measure(lab, equipment(changes), options, silence)).rejects.toThrow(
      'weft cannot be measured: no such device',
    );
    expect(opened).toEqual([]);
  });
});
