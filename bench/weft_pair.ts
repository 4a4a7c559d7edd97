import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pair } from './pair.js';
import type { Processes, Running } from './processes.js';
import type { BenchHost, Underlay } from './underlay.js';

const weftd = fileURLToPath(new URL('../daemon/main.js', import.meta.url));
const weft = fileURLToPath(new URL('../daemon/cli/main.js', import.meta.url));
const READY_MILLISECONDS = 15_000;

/** On each host a weftd as it ships, with the other host as its peer and one guest port on network "bench". */
export async function weftPair(underlay: Underlay, processes: Processes, directory: string): Promise<Pair> {
  const hosts = [underlay.host('weft1'), underlay.host('weft2')] as const;
  const guests = [underlay.namespace('weft-guest1'), underlay.namespace('weft-guest2')] as const;
  const attach = async (host: BenchHost, peer: BenchHost, guest: string, index: number) => {
    const home = join(directory, `host${index}`);
    mkdirSync(home);
    const cli = await startDaemon(processes, home, host, peer);
    await cli('port', 'add', 'bench', 'eth0', '--netns', guest, '--address', `10.42.0.${index}/24`);
  };
  await Promise.all([attach(hosts[0], hosts[1], guests[0], 1), attach(hosts[1], hosts[0], guests[1], 2)]);
  return { name: 'weft', client: guests[0], server: guests[1], serverAddress: '10.42.0.2' };
}

type Cli = (...args: string[]) => Promise<string>;

/** Resolves when the daemon answers, to a function that runs `weft` against it. */
async function startDaemon(
  processes: Processes,
  home: string,
  host: BenchHost,
  peer: BenchHost,
): Promise<Cli> {
  const config = join(home, 'weft.yaml');
  const socket = join(home, 'weft.sock');
  writeFileSync(config, configText(host, peer));
  const flags = ['--config', config, '--state-dir', join(home, 'state'), '--socket', socket];
  const daemon = processes.start(host.netns, [process.execPath, weftd, ...flags]);
  const cli: Cli = (...args) =>
    processes.run(host.netns, [process.execPath, weft, '--socket', socket, ...args]);
  await awaitReady(daemon, () => cli('status'));
  return cli;
}

function configText(host: BenchHost, peer: BenchHost): string {
  return [
    `host: { name: ${host.netns} }`,
    `underlay: { addresses: ["${host.address}"] }`,
    `peers: ["${peer.address}"]`,
    'networks: { bench: { vni: 42 } }',
    'metrics: { listen: off }',
    'log: { level: warn }',
    '',
  ].join('\n');
}

async function awaitReady(daemon: Running, status: () => Promise<string>): Promise<void> {
  const deadline = Date.now() + READY_MILLISECONDS;
  for (;;) {
    try {
      await status();
      return;
    } catch (error) {
      if (!daemon.alive) throw new Error(`weftd ended: ${daemon.complaint}`);
      if (Date.now() > deadline) throw new Error(`weftd is not ready: ${daemon.complaint}`, { cause: error });
    }
  }
}
