/**
 * A laboratory on one machine: hosts and container namespaces on an underlay, all of them network namespaces whose names begin with a
 * prefix of this run. Nothing in the machine's own network namespace is touched, and everything goes away with {@link Lab.close}, on
 * SIGINT, SIGTERM and SIGHUP (all labs of the process), and at the next {@link Lab.open} when this process was killed.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeCgroups } from './cgroups.js';
import type { Container } from './container.js';
import { DockerHost } from './docker-host.js';
import { makeImage } from './docker-image.js';
import { FrrHost } from './frr-host.js';
import { Guest } from './guest.js';
import { Host } from './host.js';
import { KernelHost } from './kernel-host.js';
import { Namespace, removeNamespace } from './namespace.js';
import { OvsHost } from './ovs-host.js';
import { SystemdHost } from './systemd-host.js';

const tag = 'weftlab';
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let opened = 0;
/** The labs of this process that are not closed yet: a signal ends the process when all of them are. */
const openLabs = new Set<Lab>();
let ending = false;

export interface LabOptions {
  /** Bytes of IP on the underlay. */
  underlayMtu?: number;
}

/** Where a host is on the underlay, also after its power was off. */
interface Place {
  ipv4: string;
  ipv6: string;
  mac: string;
}

export class Lab {
  /** For state, sockets and logs of this run. */
  readonly dir: string;
  readonly #prefix: string;
  readonly #mtu: number;
  readonly #namespaces: Namespace[] = [];
  /** Namespaces that are being made. */
  readonly #making = new Set<Promise<Namespace>>();
  readonly #hosts: Host[] = [];
  readonly #dockerHosts: DockerHost[] = [];
  readonly #systemdHosts: SystemdHost[] = [];
  #image: Promise<string> | undefined;
  #underlay: Namespace | undefined;
  #addresses = 0;
  #closing: Promise<void> | undefined;

  private constructor(dir: string, prefix: string, mtu: number) {
    this.dir = dir;
    this.#prefix = prefix;
    this.#mtu = mtu;
  }

  /** Removes what dead runs left, then makes the underlay: a bridge in a namespace of its own. */
  static async open({ underlayMtu = 1500 }: LabOptions = {}): Promise<Lab> {
    await removeLeftovers();
    if (ending) throw new Error('a signal is ending this process');
    opened += 1;
    const dir = mkdtempSync(join(tmpdir(), `${tag}-`));
    const prefix = `${tag}-${process.pid}-${opened}-`;
    writeFileSync(
      join(dir, 'owner'),
      JSON.stringify({ pid: process.pid, started: startTime(process.pid), prefix }),
    );
    const lab = new Lab(dir, prefix, underlayMtu);
    if (openLabs.size === 0) for (const signal of signals) process.on(signal, endAll);
    openLabs.add(lab);
    const underlay = await lab.namespace('underlay');
    await underlay.run(['sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1']);
    await underlay.ip('link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    await underlay.ip('link', 'set', 'br0', 'mtu', String(underlayMtu), 'up');
    lab.#underlay = underlay;
    return lab;
  }

  /** True when a signal is ending the labs: what fails from now on fails because of that. */
  get interrupted(): boolean {
    return ending;
  }

  /** The hosts with a weftd of their own, those without engine. */
  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** Every namespace that was made here and is still there. */
  get namespaces(): readonly Namespace[] {
    return this.#namespaces.filter(({ path }) => existsSync(path));
  }

  /** A bare namespace, on no network. */
  async namespace(name: string): Promise<Namespace> {
    if (this.#closing) throw new Error('the lab is closing');
    const making = Namespace.create(this.#prefix + name);
    this.#making.add(making);
    try {
      const namespace = await making;
      this.#namespaces.push(namespace);
      return namespace;
    } finally {
      this.#making.delete(making);
    }
  }

  /** A namespace that stands for a container: weft or a kernel host gives it its eth0. */
  async guest(name: string): Promise<Guest> {
    return new Guest(await this.namespace(name));
  }

  /** A container that an engine of the lab has made. */
  async container(name: string, container: Container): Promise<Guest> {
    if (this.#closing) throw new Error('the lab is closing');
    return new Guest(await this.#adopt(name, await container.networkNamespace()));
  }

  /** A host for one weftd, which is not started yet. */
  async host(name: string): Promise<Host> {
    const { namespace, ipv4, ipv6 } = await this.#machine(name);
    const host = new Host(name, namespace, join(this.dir, name), ipv4, ipv6);
    this.#hosts.push(host);
    return host;
  }

  /** A host for a dockerd and a weftd, which has power, and in which nothing runs yet. */
  async dockerHost(name: string): Promise<DockerHost> {
    const place = this.#place();
    const host = new DockerHost({
      name,
      dir: join(this.dir, name),
      ...place,
      ...this.#plugs(name, place),
      image: () => {
        this.#image ??= this.#makeImage();
        return this.#image;
      },
    });
    this.#dockerHosts.push(host);
    await host.powerOn();
    return host;
  }

  /** A host that a systemd of its own runs, which has booted, and in which nothing of weft is. */
  async systemdHost(name: string): Promise<SystemdHost> {
    const place = this.#place();
    const dir = join(this.dir, name);
    mkdirSync(dir);
    const host = new SystemdHost({
      name,
      dir,
      ...place,
      ...this.#plugs(name, place),
      adopt: (guest, path) => this.#adopt(guest, path),
    });
    this.#systemdHosts.push(host);
    await host.powerOn();
    return host;
  }

  /** A host without weft, for the kernel's bridge and vxlan device. */
  async kernelHost(name: string): Promise<KernelHost> {
    const { namespace, ipv4, ipv6 } = await this.#machine(name);
    return new KernelHost(namespace, ipv4, ipv6);
  }

  /** A host for Open vSwitch, with both daemons running. */
  async ovsHost(name: string): Promise<OvsHost> {
    const { namespace, ipv4, ipv6 } = await this.#machine(name);
    const host = new OvsHost(namespace, join(this.dir, name), ipv4, ipv6);
    await host.start(this.#mtu);
    return host;
  }

  /** A host for FRR, whose daemons are not started yet. */
  async frrHost(name: string): Promise<FrrHost> {
    const { namespace, ipv4, ipv6 } = await this.#machine(name);
    return new FrrHost(name, namespace, join(this.dir, name), ipv4, ipv6);
  }

  /** Kills what runs in this lab and removes every namespace and file of it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #machine(name: string): Promise<Place & { namespace: Namespace }> {
    const place = this.#place();
    return { namespace: await this.#plug(name, place), ...place };
  }

  #place(): Place {
    this.#addresses += 1;
    const number = this.#addresses.toString(16);
    return {
      ipv4: `10.77.0.${this.#addresses}`,
      ipv6: `fd77::${number}`,
      mac: `02:77:00:00:00:${number.padStart(2, '0')}`,
    };
  }

  /** For a host that is plugged in whenever it boots. */
  #plugs(name: string, place: Place): { plug: () => Promise<Namespace>; unplug: () => Promise<void> } {
    return {
      plug: () => this.#plug(name, place),
      unplug: async () => {
        await this.#underlay?.attempt(['ip', 'link', 'del', name]);
      },
    };
  }

  async #adopt(name: string, path: string): Promise<Namespace> {
    const namespace = await Namespace.adopt(this.#prefix + name, path);
    this.#namespaces.push(namespace);
    return namespace;
  }

  /** Makes a namespace whose eth0 is on the underlay. */
  async #plug(name: string, { ipv4, ipv6, mac }: Place): Promise<Namespace> {
    const namespace = await this.namespace(name);
    const underlay = this.#underlay as Namespace;
    const peer = ['peer', 'name', 'eth0', 'address', mac, 'netns', namespace.name];
    await underlay.ip('link', 'add', name, 'type', 'veth', ...peer);
    await underlay.ip('link', 'set', name, 'mtu', String(this.#mtu), 'master', 'br0', 'up');
    await namespace.ip('link', 'set', 'eth0', 'mtu', String(this.#mtu), 'up');
    await namespace.ip('address', 'add', `${ipv4}/24`, 'dev', 'eth0');
    await namespace.ip('address', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad');
    return namespace;
  }

  async #makeImage(): Promise<string> {
    const file = join(this.dir, 'image.tar');
    await makeImage(file);
    return file;
  }

  async #close(): Promise<void> {
    try {
      await Promise.all(this.#hosts.map((host) => host.kill()));
      await Promise.all([...this.#dockerHosts, ...this.#systemdHosts].map((host) => host.powerOff()));
      await Promise.allSettled(this.#making);
      await Promise.all(this.#namespaces.map((namespace) => namespace.remove()));
      await removeCgroupsOfHosts(this.dir);
      rmSync(this.dir, { recursive: true, force: true });
    } finally {
      openLabs.delete(this);
      if (openLabs.size === 0) leaveSignals();
    }
  }
}

/** Closes every lab, then ends the process as the signal would have. A second signal ends it at once. */
function endAll(signal: NodeJS.Signals): void {
  ending = true;
  leaveSignals();
  void Promise.allSettled([...openLabs].map((lab) => lab.close())).then(() =>
    process.kill(process.pid, signal),
  );
}

function leaveSignals(): void {
  for (const signal of signals) process.off(signal, endAll);
}

/** Removes the namespaces and files of runs whose process is gone. Runs of living processes are left alone. */
export async function removeLeftovers(): Promise<void> {
  for (const entry of readdirSync(tmpdir()).filter((name) => name.startsWith(`${tag}-`))) {
    const dir = join(tmpdir(), entry);
    let owner: { pid: number; started: string; prefix: string };
    try {
      owner = JSON.parse(readFileSync(join(dir, 'owner'), 'utf8'));
    } catch {
      continue;
    }
    if (startTime(owner.pid) === owner.started) continue;
    const names = readdirSync('/run/netns').filter((name) => name.startsWith(owner.prefix));
    for (const name of names) await removeNamespace(name);
    await removeCgroupsOfHosts(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}

async function removeCgroupsOfHosts(dir: string): Promise<void> {
  // Another process that opens a lab removes the same leftovers.
  for (const host of existsSync(dir) ? readdirSync(dir) : []) {
    const list = join(dir, host, 'cgroups');
    if (existsSync(list)) await removeCgroups(JSON.parse(readFileSync(list, 'utf8')));
  }
}

/** When a process started, in clock ticks since boot: with its PID the identity of a process. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
