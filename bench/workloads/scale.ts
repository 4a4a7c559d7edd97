import { Guest } from '../../lab/guest.js';
import type { Lab } from '../../lab/lab.js';
import type { Meter } from '../meter.js';
import { crowdOfPorts, crowdOfVeths, framesOfCrowd, gotByCrowd } from './crowd.js';
import { framesAt, macBlast } from './mac-blast.js';
import type { Experiment, Reading } from './workload.js';

const NETWORK = 'bench';
const VNI = 42;
const MTU = 1450;
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** A minimal frame with the headers of VXLAN over IPv4, and the part of them that datagrams of one super-frame share. */
const UNDERLAY_FRAME = 60 + 50;
const SHARED_HEADERS = 14 + 20 + 8;
const SENDER = '02:5c:00:00:00:01';
/** The first of those that are behind the other host. */
const FIRST = '02:b0:00:00:00:00';
const MILLION = 1_000_000;
const FILL_RATE = 100_000;

/** What it costs to have many peers, many MACs, many ports. */
export function scaleExperiments(meter: Meter): Experiment[] {
  const systems = ['weft', 'kernel'];
  const many = { group: 'scale', unit: 'kpps', higherIsBetter: true, systems, rounds: 3 };
  return [
    ...[1, 10, 100, 1000].map(
      (peers): Experiment => ({
        ...many,
        key: `peers-${peers}`,
        title: `Broadcast frames to ${peers} ${peers === 1 ? 'peer' : 'peers'}`,
        costUnit: 'CPU us/copy',
        run: (lab, system, seconds) => toPeers(lab, system, seconds, meter, peers),
      }),
    ),
    ...[1, MILLION].map(
      (macs): Experiment => ({
        ...many,
        key: macs === 1 ? 'macs-1' : 'macs-1m',
        title:
          macs === 1 ? 'Frames to one MAC, an empty MAC table' : 'Frames to a million known MACs at random',
        costUnit: 'CPU us/frame',
        run: (lab, system, seconds) => toMacs(lab, system, seconds, meter, macs),
      }),
    ),
    ...[1, 1000].map(
      (ports): Experiment => ({
        ...many,
        key: `ports-${ports}`,
        title: `Broadcast frames to ${ports} other ${ports === 1 ? 'port' : 'ports'}`,
        costUnit: 'CPU us/copy',
        run: (lab, system, seconds) => toPorts(lab, system, seconds, meter, ports),
      }),
    ),
  ];
}

/** The peers are addresses behind a router that drops what it gets; what the router is sent is what counts. */
async function toPeers(
  lab: Lab,
  system: string,
  seconds: number,
  meter: Meter,
  count: number,
): Promise<Reading> {
  const addresses = Array.from({ length: count }, (_, i) => `10.78.${1 + (i >> 8)}.${i & 255}`);
  const router = await lab.kernelHost('router');
  await router.namespace.ip('route', 'add', 'blackhole', '10.78.0.0/16');
  const guest = await lab.guest('sender');
  let pid: number | null = null;
  if (system === 'weft') {
    const host = await lab.host('h1');
    await host.namespace.ip('route', 'add', '10.78.0.0/16', 'via', router.ipv4);
    const underlay = { addresses: [host.ipv4] };
    await host.start({ underlay, peers: addresses, networks: { [NETWORK]: { vni: VNI } } });
    await host.attach(guest, NETWORK);
    pid = host.pid;
  } else {
    const host = await lab.kernelHost('h1');
    await host.namespace.ip('route', 'add', '10.78.0.0/16', 'via', router.ipv4);
    const segment = { vni: VNI, local: host.ipv4, mtu: MTU };
    await host.segment(segment);
    await host.attach(guest, segment, []);
    const flood = addresses.map((to) => `fdb append 00:00:00:00:00:00 dev vx${VNI} dst ${to} via eth0 self`);
    await host.namespace.run(['bridge', '-batch', '-'], { input: flood.join('\n') });
  }
  const gateway = new Guest(router.namespace);
  const counters = async () => ({
    packets: await framesAt(gateway),
    bytes: Number(await gateway.sys('statistics/rx_bytes')),
  });
  const daemons = { daemons: () => (pid === null ? [] : [pid]) };
  const before = await counters();
  const timing = await meter.timed(daemons, () => macBlast(guest, { from: SENDER, to: BROADCAST, seconds }));
  const after = await counters();
  // A super-frame of the underlay counts once, with one set of headers for all its datagrams.
  const packets = after.packets - before.packets;
  const copies = (after.bytes - before.bytes - packets * SHARED_HEADERS) / (UNDERLAY_FRAME - SHARED_HEADERS);
  return {
    value: copies / count / timing.seconds / 1e3,
    cost: (timing.cpuSeconds / copies) * 1e6,
    cpu: timing.cpu,
    details: { 'copies a second': copies / timing.seconds, 'sent kpps': timing.result.framesPerSecond / 1e3 },
  };
}

/** From one host to another, which has learned a guest's MACs and has told nobody of them but by its frames. */
async function toMacs(
  lab: Lab,
  system: string,
  seconds: number,
  meter: Meter,
  macs: number,
): Promise<Reading> {
  const near = await lab.guest('near');
  const far = await lab.guest('far');
  const pids: number[] = [];
  if (system === 'weft') {
    const hosts = [await lab.host('h1'), await lab.host('h2')] as const;
    const fdb = { limit: MILLION, limit_per_port: MILLION };
    for (const [index, host] of hosts.entries()) {
      const peers = [hosts[1 - index]?.ipv4];
      const underlay = { addresses: [host.ipv4] };
      await host.start({ underlay, peers, networks: { [NETWORK]: { vni: VNI, fdb } } });
      await host.attach(index === 0 ? near : far, NETWORK);
      pids.push(host.pid);
    }
  } else {
    const hosts = [await lab.kernelHost('h1'), await lab.kernelHost('h2')] as const;
    for (const [index, host] of hosts.entries()) {
      const remote = hosts[1 - index]?.ipv4 ?? '';
      const segment = { vni: VNI, local: host.ipv4, remote, mtu: MTU };
      await host.segment(segment);
      await host.attach(index === 0 ? near : far, segment, []);
    }
  }
  const known = `${FIRST}+${macs}`;
  await macBlast(near, { from: SENDER, to: BROADCAST, count: 1 });
  // Twice: what is learned while a table grows, or is lost on the way, is learned the second time.
  for (let turn = 0; turn < 2; turn += 1)
    await macBlast(far, { from: known, to: SENDER, count: macs, rate: FILL_RATE });
  const before = await framesAt(far);
  const timing = await meter.timed({ daemons: () => pids }, () =>
    macBlast(near, { from: SENDER, to: known, random: true, seconds }),
  );
  const frames = (await framesAt(far)) - before;
  return {
    value: frames / timing.seconds / 1e3,
    cost: (timing.cpuSeconds / frames) * 1e6,
    cpu: timing.cpu,
    details: { 'sent kpps': timing.result.framesPerSecond / 1e3 },
  };
}

/** All on one host; the other ports are in one namespace. Every one is counted: frames that meet a full queue are lost to one port only. */
async function toPorts(
  lab: Lab,
  system: string,
  seconds: number,
  meter: Meter,
  count: number,
): Promise<Reading> {
  const guest = await lab.guest('sender');
  const crowd = await lab.guest('crowd');
  const pids: number[] = [];
  if (system === 'weft') {
    const host = await lab.host('h1');
    await host.start({ networks: { [NETWORK]: { vni: VNI } } });
    await host.attach(guest, NETWORK);
    await crowdOfPorts(host, crowd, NETWORK, count);
    pids.push(host.pid);
  } else {
    const host = await lab.kernelHost('h1');
    const segment = { vni: VNI, local: host.ipv4, mtu: MTU };
    await host.segment(segment);
    await host.attach(guest, segment, []);
    await crowdOfVeths(host, crowd, segment, count);
  }
  const before = await framesOfCrowd(crowd);
  const timing = await meter.timed({ daemons: () => pids }, () =>
    macBlast(guest, { from: SENDER, to: BROADCAST, seconds }),
  );
  const { copies, fewest } = gotByCrowd(before, await framesOfCrowd(crowd), count);
  return {
    value: copies / count / timing.seconds / 1e3,
    cost: (timing.cpuSeconds / copies) * 1e6,
    cpu: timing.cpu,
    details: {
      'fewest at a port, kpps': fewest / timing.seconds / 1e3,
      'sent kpps': timing.result.framesPerSecond / 1e3,
    },
  };
}
