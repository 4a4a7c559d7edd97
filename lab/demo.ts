/**
 * `npm run demo`: two hosts made out of network namespaces, a weftd in each, a container namespace on network "blue" in each; then what
 * one would try first. Exit status 0 only when all of it worked.
 */
import type { Guest } from './guest.js';
import type { Host } from './host.js';
import { Lab } from './lab.js';
import { explainLoss, losses } from './loss.js';
import { paint, write } from './terminal.js';

const picture = `
    container web             container db
   10.42.0.1  fd42::1        10.42.0.2  fd42::2
          |  eth0                   |  eth0          network blue, VNI 42
     +----+----+               +----+----+
     |  weftd  |               |  weftd  |
     +----+----+               +----+----+
  host h1 |                 host h2 |
          +------- VXLAN/UDP -------+                underlay, MTU 1500
`;

async function step(lab: Lab, what: string, work: () => Promise<string>): Promise<void> {
  write(`  ${what.padEnd(46)} `);
  const began = performance.now();
  try {
    const result = await work();
    if (lab.interrupted) throw new Error('interrupted');
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    write(`${paint('32', 'ok')}  ${result.padEnd(34)} ${paint('2', `${seconds} s`)}\n`);
  } catch (error) {
    write(`${lab.interrupted ? 'interrupted' : paint('31', 'FAILED')}\n`);
    throw error;
  }
}

async function startHost(host: Host, peer: Host, guest: Guest, number: number): Promise<void> {
  await host.start({
    peers: [peer.ipv4],
    networks: { blue: { vni: 42, subnets: ['10.42.0.0/24', 'fd42::/64'] } },
  });
  await host.attach(guest, 'blue', { addresses: [`10.42.0.${number}/24`, `fd42::${number}/64`] });
}

async function ping(from: Guest, address: string): Promise<string> {
  await from.reach(address);
  const { all, text } = await from.echoes(address, { count: 5 });
  if (!all) throw new Error(`not every echo of ${address} came back:\n${text}`);
  return '5 of 5 echoes came back';
}

async function speed(from: Guest, to: Guest, address: string, ...flags: string[]): Promise<string> {
  const { gbitPerSecond } = await from.iperf(to, address, '-t', '2', ...flags);
  if (gbitPerSecond === 0) throw new Error('nothing arrived');
  return `${gbitPerSecond.toFixed(2)} Gbit/s`;
}

async function datagrams(from: Guest, to: Guest, address: string, hosts: Host[]): Promise<string> {
  const before = await losses(to, hosts);
  const { gbitPerSecond, lostPercent } = await from.iperf(to, address, '-t', '2', '-u', '-b', '200M');
  if (gbitPerSecond === 0) throw new Error('nothing arrived');
  const reason = lostPercent > 1 ? ` ${explainLoss(before, await losses(to, hosts))}` : '';
  return `${gbitPerSecond.toFixed(2)} Gbit/s, ${lostPercent.toFixed(2)} % lost${reason}`;
}

async function show(host: Host, ...words: string[]): Promise<void> {
  write(`\n${paint('1', `${host.name}$ weft ${words.join(' ')}`)}\n`);
  const text = await host.weft(...words);
  write(text.endsWith('\n') ? text : `${text}\n`);
}

async function demonstrate(lab: Lab, hosts: Host[]): Promise<void> {
  const h1 = await lab.host('h1');
  const h2 = await lab.host('h2');
  hosts.push(h1, h2);
  const web = await lab.guest('web');
  const db = await lab.guest('db');
  await step(lab, 'two hosts, each with a weftd and a container', async () => {
    await Promise.all([startHost(h1, h2, web, 1), startHost(h2, h1, db, 2)]);
    return '';
  });
  await step(lab, 'ping web -> db, IPv4', () => ping(web, '10.42.0.2'));
  await step(lab, 'ping web -> db, IPv6', () => ping(web, 'fd42::2'));
  await step(lab, 'iperf3 TCP web -> db', () => speed(web, db, '10.42.0.2'));
  await step(lab, 'iperf3 TCP db -> web', () => speed(web, db, '10.42.0.2', '-R'));
  await step(lab, 'iperf3 UDP web -> db, 200 Mbit/s offered', () =>
    datagrams(web, db, '10.42.0.2', [h1, h2]),
  );
  for (const host of [h1, h2]) {
    await show(host, 'status');
    await show(host, 'peer', 'ls');
    await show(host, 'fdb', 'ls');
  }
}

async function main(): Promise<number> {
  write(`${paint('1', 'weft: containers on two hosts share one Ethernet segment')}\n${picture}\n`);
  const began = performance.now();
  const lab = await Lab.open();
  const hosts: Host[] = [];
  try {
    await demonstrate(lab, hosts);
    write(`\n${paint('32', 'All of it worked')}, in ${((performance.now() - began) / 1000).toFixed(0)} s.`);
    write(' Everything is cleaned up again.\nThe README says how to run it for real on two machines.\n');
    return 0;
  } catch (error) {
    if (lab.interrupted) return 1;
    process.stderr.write(`\nweft demo: ${error instanceof Error ? error.message : error}\n`);
    for (const host of hosts) process.stderr.write(`\n--- log of weftd on ${host.name}\n${host.log}`);
    return 1;
  } finally {
    await lab.close();
  }
}

process.exitCode = await main();
