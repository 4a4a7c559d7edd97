import { setTimeout as sleep } from 'node:timers/promises';
import type { Port } from '../../daemon/api/schema.js';
import type { Host } from '../../lab/host.js';
import type { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { Program } from '../program.js';
import { quantile } from './quantile.js';
import type { Experiment, Reading } from './workload.js';

const NETWORK = 'bench';
const PORTS = 50;
const PING_SECONDS = 0.002;

const still = { cost: null, cpu: null } as const;

/** How long a person waits for the daemon. */
export function daemonExperiments(): Experiment[] {
  const figure = { group: 'daemon', unit: 'ms', higherIsBetter: false, costUnit: null, systems: ['weft'] };
  return [
    { key: 'start', title: 'Start of weftd until it is ready', ...figure, run: start },
    { key: 'port-add', title: `Adding a port, median of ${PORTS}`, ...figure, run: portAdd },
    {
      key: 'recovery',
      title: 'kill -9 of weftd until a frame is forwarded again',
      ...figure,
      run: recovery,
    },
  ];
}

function configOf(host: Host, peers: readonly string[]): Record<string, unknown> {
  return { underlay: { addresses: [host.ipv4] }, peers, networks: { [NETWORK]: { vni: 42 } } };
}

/** From the fork of `ip netns exec` to the moment in which weftd tells that it is ready. */
async function start(lab: Lab): Promise<Reading> {
  const host = await lab.host('h1');
  host.configure(configOf(host, []));
  const first = await startedIn(host);
  await host.stop();
  const again = await startedIn(host);
  return { ...still, value: again, details: { 'ms with a new state directory': first } };
}

async function startedIn(host: Host): Promise<number> {
  const before = Date.now();
  await host.start();
  const line = host.log
    .split('\n')
    .filter((one) => one.includes('"weftd is ready"'))
    .at(-1);
  if (line === undefined) throw new Error('weftd did not log that it is ready');
  return Date.parse((JSON.parse(line) as { time: string }).time) - before;
}

/** Each port is in a namespace of its own, as containers are. */
async function portAdd(lab: Lab): Promise<Reading> {
  const host = await lab.host('h1');
  await host.start(configOf(host, []));
  const times: number[] = [];
  for (let i = 0; i < PORTS; i += 1) {
    const guest = await lab.guest(`g${i}`);
    const request = {
      network: NETWORK,
      netns: guest.name,
      addresses: [`10.42.0.${i + 1}/24`],
    };
    const before = performance.now();
    await host.api.post<Port>('/v1/ports', request);
    times.push(performance.now() - before);
  }
  return {
    ...still,
    value: quantile(times, 0.5),
    details: { 'p99 ms': quantile(times, 0.99), 'longest ms': Math.max(...times) },
  };
}

/** The service manager starts it again at once; a guest pings another through it all the while. */
async function recovery(lab: Lab): Promise<Reading> {
  const hosts = [await lab.host('h1'), await lab.host('h2')] as const;
  const guests = [await lab.guest('a'), await lab.guest('b')] as const;
  for (const index of [0, 1] as const) {
    await hosts[index].start(configOf(hosts[index], [hosts[1 - index]?.ipv4 ?? '']));
    await hosts[index].attach(guests[index], NETWORK, { addresses: [`10.42.0.${index + 1}/24`] });
  }
  const [a] = guests;
  await a.reach('10.42.0.2');
  const ping = new Program(a.namespace, ['ping', '-n', '-D', '-i', `${PING_SECONDS}`, '10.42.0.2']);
  try {
    await ping.printed('icmp_seq=50 ');
    await hosts[0].kill();
    const killed = Date.now();
    await sleep(10);
    const before = repliesOf(ping).length;
    await hosts[0].start();
    const reply = await until('an echo came back', () => repliesOf(ping)[before] ?? false, 30);
    return { ...still, value: reply - killed, details: {} };
  } finally {
    await ping.kill();
  }
}

/** When the echoes came back, in milliseconds since the epoch. */
function repliesOf(ping: Program): number[] {
  return [...ping.said.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(([, time]) => Number(time) * 1000);
}
