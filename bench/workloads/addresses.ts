import type { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import { framesAt, macBlast } from './mac-blast.js';
import type { Experiment, Reading } from './workload.js';

const NETWORK = 'bench';
const VNI = 42;
const MTU = 1450;
const LIMIT = 1_000_000;
/** So slow that no queue on the way is ever full. */
const PACED = 50_000;
const CAPACITIES = [1_000, 10_000, 100_000, 250_000, 500_000, 900_000];
const RATES = [10_000, 25_000, 50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 600_000];
const LEARNED_AT_ONCE = 50_000;
/** So many frames at the third port are taken for others on the network, such as those of IPv6: they would hide as many that are missed. */
const CHATTER = 20;

const still = { cost: null, cpu: null } as const;

/** The three ports of RFC 2889: addresses are learned on one, asked for from another, and flooded frames are seen on the third. */
interface Ports {
  learning: Guest;
  test: Guest;
  monitoring: Guest;
}

/** RFC 2889, 5.7 and 5.8, with ports of one host. */
export function addressExperiments(): Experiment[] {
  const figure = { group: 'addresses', higherIsBetter: true, costUnit: null, rounds: 1 };
  const systems = ['weft', 'kernel'];
  return [
    {
      ...{ ...figure, systems, key: 'address-capacity', unit: 'addresses', run: capacity },
      title: 'Addresses that are kept, the limit set to a million (RFC 2889, 5.7)',
    },
    {
      ...{ ...figure, systems, key: 'address-rate', unit: 'addresses/s', run: learningRate },
      title: `Addresses learned a second, at most ${CHATTER} missed (RFC 2889, 5.8)`,
    },
  ];
}

/** The largest of some numbers of addresses that are all known afterwards. */
async function capacity(lab: Lab, system: string): Promise<Reading> {
  const ports = await openPorts(lab, system);
  let kept = 0;
  for (const [trial, count] of CAPACITIES.entries()) {
    if ((await missed(ports, trial, count, PACED)) > CHATTER) break;
    kept = count;
  }
  return { ...still, value: kept, details: {} };
}

/** The highest of some rates at which all addresses are known afterwards. */
async function learningRate(lab: Lab, system: string): Promise<Reading> {
  const ports = await openPorts(lab, system);
  let best = 0;
  let reached = 0;
  for (const [trial, rate] of RATES.entries()) {
    const { flooded, learnedAtRate } = await learnAndAsk(ports, trial, LEARNED_AT_ONCE, rate);
    if (flooded > CHATTER) break;
    best = Math.max(best, Math.min(rate, learnedAtRate));
    reached = rate;
  }
  return { ...still, value: best, details: { 'asked for, a second': reached } };
}

async function missed(ports: Ports, trial: number, count: number, rate: number): Promise<number> {
  return (await learnAndAsk(ports, trial, count, rate)).flooded;
}

async function learnAndAsk(
  { learning, test, monitoring }: Ports,
  trial: number,
  count: number,
  rate: number,
): Promise<{ flooded: number; learnedAtRate: number }> {
  const addresses = `02:b${trial.toString(16)}:00:00:00:00+${count}`;
  const asker = '02:5c:00:00:00:01';
  await macBlast(test, { from: asker, to: '02:5d:00:00:00:01', count: 1 });
  const { framesPerSecond } = await macBlast(learning, { from: addresses, to: asker, count, rate });
  const before = await framesAt(monitoring);
  await macBlast(test, { from: asker, to: addresses, count, rate: PACED });
  return { flooded: (await framesAt(monitoring)) - before, learnedAtRate: framesPerSecond };
}

async function openPorts(lab: Lab, system: string): Promise<Ports> {
  const learning = await lab.guest('learning');
  const test = await lab.guest('test');
  const monitoring = await lab.guest('monitoring');
  const guests = [learning, test, monitoring];
  if (system === 'weft') {
    const host = await lab.host('h1');
    const fdb = { limit: LIMIT, limit_per_port: LIMIT };
    await host.start({ networks: { [NETWORK]: { vni: VNI, fdb } } });
    for (const guest of guests) await host.attach(guest, NETWORK);
  } else {
    const host = await lab.kernelHost('h1');
    const segment = { vni: VNI, local: host.ipv4, mtu: MTU };
    await host.segment(segment);
    for (const guest of guests) await host.attach(guest, segment, []);
  }
  return { learning, test, monitoring };
}
