import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { benchTool } from '../../lab/checkout.js';
import type { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { crowdOfPorts, crowdOfVeths } from './crowd.js';
import { settled } from './settled.js';
import type { Experiment, Reading } from './workload.js';

const NETWORK = 'bench';
const PORTS = 1000;
const ENTRIES = 100_000;
/** What a start leaves behind is collected by then. */
const SETTLE_SECONDS = 5;

const still = { cost: null, cpu: null } as const;

/** What weft takes of the machine's memory. */
export function memoryExperiments(): Experiment[] {
  const figure = { group: 'memory', unit: 'MiB', higherIsBetter: false, costUnit: null, rounds: 2 };
  return [
    {
      key: 'memory-rest',
      title: 'Resident memory of weftd at rest',
      ...figure,
      systems: ['weft'],
      unmoved: true,
      run: atRest,
    },
    {
      key: 'memory-load',
      title: `Resident memory of weftd with ${PORTS} ports and ${ENTRIES} MACs`,
      ...figure,
      systems: ['weft'],
      unmoved: true,
      run: underLoad,
    },
    {
      key: 'memory-port',
      title: 'Kernel memory of a port (TAP, or veth on a bridge)',
      ...figure,
      systems: ['weft', 'kernel'],
      run: ofPort,
    },
  ];
}

/** With two networks and a peer, after a start that has come to rest. */
async function atRest(lab: Lab): Promise<Reading> {
  const host = await lab.host('h1');
  await host.start({ peers: ['10.77.0.200'], networks: { [NETWORK]: { vni: 42 }, other: { vni: 43 } } });
  await sleep(SETTLE_SECONDS * 1000);
  return residentOf(host.pid);
}

async function underLoad(lab: Lab): Promise<Reading> {
  const host = await lab.host('h1');
  const limit = 2 * ENTRIES;
  await host.start({ networks: { [NETWORK]: { vni: 42, fdb: { limit, limit_per_port: limit } } } });
  const crowd = await lab.guest('crowd');
  await crowdOfPorts(host, crowd, NETWORK, PORTS);
  const mac = (await crowd.sys('address', 'p1')).trim();
  const blast = [benchTool('mac_blast'), '--interface', 'p0', '--from', `02:b0:00:00:00:00+${ENTRIES}`];
  blast.push('--to', mac, '--count', `${ENTRIES}`, '--rate', '50000');
  await until(
    'the MACs are learned',
    async () => {
      await crowd.namespace.run(blast, { timeout: 60 });
      const [network] = await host.networks();
      return (network?.fdb.learned ?? 0) >= ENTRIES;
    },
    120,
  );
  await sleep(SETTLE_SECONDS * 1000);
  return residentOf(host.pid);
}

/** By the kernel's own books, averaged over many ports. Whatever else the machine does meanwhile is counted, too. */
async function ofPort(lab: Lab, system: string): Promise<Reading> {
  const crowd = await lab.guest('crowd');
  const grow = system === 'weft' ? await growWeft() : await growKernel();
  // The namespaces of an earlier reading are freed in the background, when they are gone for everybody else.
  const before = await settled(kernelMemory, ({ unreclaimable, tables }) => unreclaimable + tables);
  await grow();
  const after = await settled(kernelMemory, ({ unreclaimable, tables }) => unreclaimable + tables);
  return {
    ...still,
    value: (after.unreclaimable + after.tables - before.unreclaimable - before.tables) / PORTS / 1024,
    details: { 'slab KiB': (after.unreclaimable - before.unreclaimable) / PORTS },
  };

  async function growWeft(): Promise<() => Promise<void>> {
    const host = await lab.host('h1');
    await host.start({ networks: { [NETWORK]: { vni: 42 } } });
    await host.attach(crowd, NETWORK);
    return () => crowdOfPorts(host, crowd, NETWORK, PORTS);
  }

  async function growKernel(): Promise<() => Promise<void>> {
    const host = await lab.kernelHost('h1');
    const segment = { vni: 42, local: host.ipv4, mtu: 1450 };
    await host.segment(segment);
    return () => crowdOfVeths(host, crowd, segment, PORTS);
  }
}

/** KiB that the kernel has for itself and cannot give back. */
function kernelMemory(): { unreclaimable: number; tables: number } {
  const text = readFileSync('/proc/meminfo', 'utf8');
  return {
    unreclaimable: kibibytes(text, 'SUnreclaim'),
    tables: kibibytes(text, 'VmallocUsed') + kibibytes(text, 'Percpu'),
  };
}

function residentOf(pid: number): Reading {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return {
    ...still,
    value: kibibytes(text, 'Rss') / 1024,
    details: {
      'PSS MiB': kibibytes(text, 'Pss') / 1024,
      'anonymous MiB': kibibytes(text, 'Anonymous') / 1024,
    },
  };
}

function kibibytes(text: string, name: string): number {
  const [, value] = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text) ?? [];
  if (value === undefined) throw new Error(`${name} is not told`);
  return Number(value);
}
