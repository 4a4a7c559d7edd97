/** `weft doctor` and `weft report` on hosts that are well, and on hosts with real trouble. What the doctor says to type is typed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Diagnosis, DiagnosisSchema } from '../../daemon/doctor/check.js';
import { run } from '../../lab/command.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import type { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { openPair } from './pair.js';

// A busy machine takes ten times as long to start a command, and each test starts many.
vi.setConfig({ testTimeout: 240_000 });

/** Of this machine, and not of the lab: nobody here sets its clock. */
const ofMachine = ['clock'];

interface Examined {
  status: number | null;
  all: Diagnosis[];
  complaints: Diagnosis[];
  of(check: string): Diagnosis[];
}

async function examine(host: Host, wrapper: readonly string[] = []): Promise<Examined> {
  const words = ['--json', 'doctor', '--config', host.configFile, '--state-dir', host.stateDir];
  const { status, stdout, stderr } = await host.namespace.attempt([...wrapper, ...host.cli, ...words], {
    timeout: 150,
  });
  expect(stderr).toBe('');
  const all = DiagnosisSchema.array().parse(JSON.parse(stdout));
  const failed = all.filter(({ result }) => result === 'error' || result === 'warning');
  expect(status).toBe(failed.length === 0 ? 0 : 1);
  const complaints = failed.filter(({ check }) => !ofMachine.includes(check));
  return { status, all, complaints, of: (check) => complaints.filter((one) => one.check === check) };
}

/** The first command of a remedy. */
function typed(diagnosis: Diagnosis | undefined): string[] {
  const [, command = ''] = /"([^"]+)"/.exec(diagnosis?.remedy ?? '') ?? [];
  return command.split(' ');
}

let lab: Lab;
let h1: Host;
let h2: Host;
let a: Guest;

beforeAll(async () => {
  ({ lab, h1, h2, a } = await openPair());
});
afterAll(() => lab.close());

async function drops(host: Host): Promise<Record<string, number>> {
  const all = await host.weftJson<{ reason: string; count: number }[]>('drops');
  return Object.fromEntries(all.filter(({ count }) => count > 0).map(({ reason, count }) => [reason, count]));
}

describe('the doctor of a host that is well', () => {
  it('has no complaint, and costs a few datagrams that are counted', async () => {
    const { all, complaints } = await examine(h1);
    expect(complaints).toEqual([]);
    const done = all.filter(({ result }) => result === 'ok').map(({ check }) => check);
    for (const check of [
      'udp-port',
      'firewall',
      'peers',
      'path-mtu',
      'duplicate-address',
      'links',
      'offloads',
    ])
      expect(done).toContain(check);
    // One burst to each of its two addresses.
    expect((await drops(h1)).unknown_peer).toBe(40);
    expect((await drops(h2)).unknown_peer).toBeUndefined();
  });

  it('has none for a user who may not see everything', async () => {
    const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const { all, complaints } = await examine(h1, user);
    expect(complaints).toEqual([]);
    expect(all.find(({ check }) => check === 'daemon')).toMatchObject({ result: 'skipped' });
    expect(all.find(({ check }) => check === 'peers')).toMatchObject({ result: 'ok' });
  });
});

describe('the doctor finds', () => {
  it('a firewall rule that drops VXLAN, and one that keeps it in, and says what removes them', async () => {
    const rule = ['-p', 'udp', '--dport', '4789', '-j', 'DROP'];
    await h1.namespace.run(['iptables', '-A', 'INPUT', ...rule]);
    await h1.namespace.run(['iptables', '-A', 'OUTPUT', '-d', h2.ipv4, ...rule]);
    const { of } = await examine(h1);
    expect(of('firewall')[0]?.message).toContain(
      `UDP port 4789 of ${h1.ipv4} arrives: a firewall rule drops it`,
    );
    expect(of('peers')[0]?.message).toContain(`a firewall of this host refuses what is sent to ${h2.ipv4}`);
    const command = typed(of('firewall')[0]);
    expect(command.slice(0, 3)).toEqual(['iptables', '-D', 'INPUT']);
    await h1.namespace.run(command);
    await h1.namespace.run(['iptables', '-D', 'OUTPUT', '-d', h2.ipv4, ...rule]);
    await a.reach('10.42.0.2');
  });

  it('many troubles at once, of the host and of the way to its peer', async () => {
    await h1.stop();
    await h1.start(undefined, {
      wrapper: ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace'],
    });
    await run(['prlimit', '--pid', String(h1.pid), '--nofile=100:100']);
    await h1.namespace.ip('link', 'set', 'eth0', 'mtu', '1320');
    await h2.kill();
    // What a tunnel on the way does when ICMP is filtered.
    const large = ['-p', 'icmp', '-m', 'length', '--length', '1301:', '-j', 'DROP'];
    await h2.namespace.run(['iptables', '-A', 'INPUT', ...large]);
    const guest = await lab.guest('left');
    const { host } = await h1.status();
    await guest.namespace.ip('tuntap', 'add', 'eth0', 'mode', 'tap');
    await guest.namespace.ip('link', 'set', 'eth0', 'alias', `weft:${host.id}:p-deadbeef`);
    const twin = await lab.kernelHost('twin');
    await twin.namespace.ip('address', 'add', `${h1.ipv4}/24`, 'dev', 'eth0');
    const [, mac] = /link\/ether (\S+)/.exec(await twin.namespace.ip('link', 'show', 'eth0')) ?? [];
    const deaf = h1.namespace.start([process.execPath, '-e', deafSocket]);
    await until('the deaf socket overflows', async () => (await h1.namespace.counter('RcvbufErrors')) > 0);
    await until('weftd has seen the MTU', async () =>
      (await h1.status()).findings.some(({ code }) => code === 'MTU_NO_IPV6'),
    );
    const { of } = await examine(h1);
    deaf.kill('SIGKILL');

    expect(of('capabilities')[0]?.message).toContain('CAP_SYS_PTRACE');
    expect(of('limits')[0]?.message).toMatch(/has \d+ files open and may open 100:/);
    expect(of('findings')[0]?.message).toContain('MTU_NO_IPV6');
    expect(of('peers')[0]?.message).toContain(`nobody takes datagrams on UDP port 4789 of ${h2.ipv4}`);
    expect(of('path-mtu')[0]?.message).toContain('packets of more than 1300 bytes vanish');
    expect(of('path-mtu')[0]?.remedy).toContain('mtu lock 1300');
    expect(of('duplicate-address')[0]?.message).toContain(`with MAC ${mac}, has the address ${h1.ipv4}`);
    expect(of('links')[0]?.message).toContain(`eth0 in namespace ${guest.name}`);
    expect(of('counters')[0]?.message).toContain('UDP sockets overflow');

    await run(typed(of('links')[0]));
    await twin.namespace.remove();
    await h2.namespace.run(['iptables', '-F', 'INPUT']);
    await h1.namespace.ip('link', 'set', 'eth0', 'mtu', '1500');
    await h2.start();
    await h1.stop();
    await h1.start();
    await a.reach('10.42.0.2');
    await until('weftd has seen the MTU', async () => (await h1.status()).findings.length === 0);
    expect((await examine(h1)).complaints).toEqual([]);
  });

  it('why a weftd does not run: its port is taken, and its configuration has a mistake', async () => {
    await h1.stop();
    const device = ['type', 'vxlan', 'id', '7', 'dstport', '4789', 'dev', 'eth0'];
    await h1.namespace.ip('link', 'add', 'vx0', ...device);
    await h1.namespace.ip('link', 'set', 'vx0', 'up');
    const before = readFileSync(h1.configFile, 'utf8');
    h1.configure('underlay:\n  prot: 4789\n');
    const { of } = await examine(h1);
    expect(of('daemon')[0]?.message).toContain('no weftd answers');
    expect(of('configuration')[0]?.message).toContain(`${h1.configFile}:2:3: underlay.prot`);
    expect(of('udp-port')[0]?.message).toBe('UDP port 4789 is taken by vxlan device vx0 of the kernel');
    await h1.namespace.run(typed(of('udp-port')[0]));
    h1.configure(before);
    await h1.start();
    await a.reach('10.42.0.2');
  });
});

describe('a report', () => {
  it('has what it promises, and is never written over another file', async () => {
    const file = join(lab.dir, 'report.tar.gz');
    const report = () => h1.namespace.attempt([...h1.cli, 'report', '--output', file], { timeout: 100 });
    const { status, stderr } = await report();
    expect([status, stderr]).toEqual([0, '']);
    await run(['tar', '-xzf', file, '-C', lab.dir]);
    const name = readdirSync(lab.dir).find((entry) => entry.startsWith('weft-report-h1-')) ?? '';
    const read = (path: string) => readFileSync(join(lab.dir, name, path), 'utf8');
    expect(JSON.parse(read('status.json'))).toMatchObject({ pid: h1.pid });
    expect(JSON.parse(read('ports.json'))).toMatchObject([{ name: 'a', counters: {} }]);
    expect(read('metrics.txt')).toContain('weft_findings{code="STATE_FAILED",severity="error"} 0');
    expect(read('links.txt')).toContain('eth0');
    expect(read('sockets.txt')).toContain(':4789');
    expect(read('config.txt')).toContain('networks.blue.vni: 42  # line');
    expect(read('doctor.txt')).toContain('firewall: what is sent to UDP port 4789');
    expect(read('process.txt')).toContain('CapEff');
    for (const path of readdirSync(join(lab.dir, name)))
      expect(read('README.txt')).toContain(path.replace('README.txt', ''));
    const again = await report();
    expect([again.status, again.stderr]).toEqual([5, expect.stringContaining('WEFT_REPORT_EXISTS')]);
  });
});

/** Sends itself more than its buffer holds, and never reads. */
const deafSocket = `
const { createSocket } = require('node:dgram');
const socket = createSocket('udp4');
socket.bind(0, '127.0.0.1', () => {
  const { port } = socket.address();
  const { Worker } = require('node:worker_threads');
  new Worker("const s = require('node:dgram').createSocket('udp4'); setInterval(() => { for (let n = 0; n < 200; n++) s.send(Buffer.alloc(1000), " + port + ", '127.0.0.1'); }, 20)", { eval: true });
  socket.setRecvBufferSize(2048);
  setTimeout(() => { for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000); }, 100);
});`;
