/** Any sequence of requests, crashes and refused commits, against what an engine believes and against a slow model. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeftError } from '../errors.js';
import type { LeaseRecord, PoolRecord } from '../model/objects.js';
import { addressOf, numberOf } from './range.js';
import { bare, Crash, type Fate, Host, minute } from './testing/host.js';

interface Setting {
  subnet: string;
  /** Of the subnet, with the network and broadcast address. */
  size: number;
  family: 4 | 6;
  of: number;
  hosts: number;
}

/** An address that an engine was told of and has not released. */
interface Held {
  address: string;
  name: string | null;
  asked: boolean;
  claimed: boolean;
  since: number;
  /** Which process gave it. */
  process: number;
}

type Step =
  | { do: 'any'; name: string | null }
  | { do: 'ask'; at: number; name: string | null }
  | { do: 'gateway' | 'pool' | 'restart' | 'collect' }
  | { do: 'claim' | 'release' | 'forget' | 'end'; which: number }
  | { do: 'wait'; minutes: number };

const settings = fc.constantFrom<Setting>(
  { subnet: '10.1.2.0/26', size: 64, family: 4, of: 3, hosts: 3 },
  { subnet: '10.1.2.0/27', size: 32, family: 4, of: 5, hosts: 3 },
  { subnet: '10.1.2.0/28', size: 16, family: 4, of: 1, hosts: 1 },
  { subnet: '10.1.2.0/28', size: 16, family: 4, of: 5, hosts: 3 },
  { subnet: 'fd42::/123', size: 32, family: 6, of: 3, hosts: 2 },
  { subnet: 'fd42::100/121', size: 128, family: 6, of: 16, hosts: 3 },
);

const name = fc.constantFrom(null, null, 'web', 'db', 'cache');
const which = fc.nat(40);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('any' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask' as const), at: fc.nat(130), name }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('claim' as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('forget' as const, 'end' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('gateway' as const, 'pool' as const, 'restart' as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('collect' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.constantFrom(1, 4, 6, 11) }),
  },
);
const fate = fc.oneof(
  { weight: 8, arbitrary: fc.constant(null) },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('lose', 'keep', 'refuse') },
);
const moves = fc.array(fc.record({ host: fc.nat(2), step, fate }), { maxLength: 90 });

/** One host and its engine, which remembers what it was told. */
class Engine {
  readonly host: Host;
  readonly first: number;
  readonly last: number;
  held: Held[] = [];
  private pool!: PoolRecord;
  private process = 0;
  private networks = 0;

  constructor(
    private readonly setting: Setting,
    index: number,
    clock: number,
  ) {
    const { size, of, family } = setting;
    this.host = new Host({ of, index });
    this.host.peers = true;
    this.host.now = clock;
    this.first = Math.max(1, Math.floor((size * index) / of));
    this.last = Math.min(family === 4 ? size - 2 : size - 1, Math.floor((size * (index + 1)) / of) - 1);
  }

  /** A network more. */
  async begin(): Promise<void> {
    this.pool = await this.host.pool(this.setting.subnet);
    await this.host.bind(this.pool, `n${this.networks++}`);
  }

  offset(address: string): number {
    return Number(numberOf(bare(address)) - numberOf(this.setting.subnet.replace(/\/.*/, '')));
  }

  address(offset: number): string {
    const { subnet, family } = this.setting;
    return addressOf(numberOf(subnet.replace(/\/.*/, '')) + BigInt(offset), family);
  }

  /** true: it was answered. A process that dies begins anew. */
  async answered(fate: Fate | null, call: () => Promise<unknown>): Promise<boolean> {
    this.host.store.next(fate);
    try {
      await call();
      return true;
    } catch (error) {
      if (error instanceof Crash) this.restart();
      else if (!(error instanceof WeftError)) throw error;
      return false;
    } finally {
      this.host.store.next(null);
    }
  }

  async carryOut(step: Step, fate: Fate | null): Promise<void> {
    const { host, pool } = this;
    switch (step.do) {
      case 'any':
        return await this.any(step.name, fate);
      case 'ask':
        return await this.ask(this.address(step.at), step.name, fate);
      case 'gateway':
        await this.answered(fate, async () => {
          const address = bare(await host.gateway(pool));
          expect(this.held.map((held) => held.address)).not.toContain(address);
        });
        return;
      case 'pool':
        await this.answered(fate, () => this.begin());
        return;
      case 'restart':
        return this.restart();
      case 'wait':
        host.now += step.minutes * minute;
        return;
      case 'collect':
        return await this.collect(fate);
      default:
        return await this.use(step.do, step.which, fate);
    }
  }

  restart(): void {
    this.process++;
    this.host.restart();
  }

  async collect(fate: Fate | null): Promise<void> {
    await this.answered(fate, () => this.host.ipam.collect());
    // What was not claimed in time is no longer the engine's: its CreateEndpoint would be refused.
    this.held = this.held.filter(({ claimed, since }) => claimed || since > this.host.now - 5 * minute);
  }

  private async any(name: string | null, fate: Fate | null): Promise<void> {
    const expected = this.next(name);
    let given: string | null = null;
    const answered = await this.answered(fate, async () => {
      given = bare(await this.host.any(this.pool, name));
    });
    if (!answered || given === null) {
      if (fate === null) expect(expected).toEqual([]);
      return;
    }
    expect(expected).toContain(given);
    expect(this.offset(given)).toBeGreaterThanOrEqual(this.first);
    expect(this.offset(given)).toBeLessThanOrEqual(this.last);
    this.hold({ address: given, name, asked: false });
  }

  private async ask(address: string, name: string | null, fate: Fate | null): Promise<void> {
    const answered = await this.answered(fate, () => this.host.asked(this.pool, address, name));
    const lease = this.host.ipam.lease(this.pool.scope, address);
    // While an engine makes a network, it may ask for what is reserved.
    if (answered && lease?.kind === 'endpoint') this.hold({ address, name, asked: true });
  }

  private hold({ address, name, asked }: Pick<Held, 'address' | 'name' | 'asked'>): void {
    const other = this.held.find((held) => held.address === address);
    // The same container may ask again; and after a restart nobody can tell whether the answer was heard.
    if (other !== undefined) {
      expect(other.claimed).toBe(false);
      expect((asked && other.process < this.process) || (name !== null && other.name === name)).toBe(true);
    }
    this.held = this.held.filter((held) => held !== other);
    this.held.push({ address, name, asked, claimed: false, since: this.host.now, process: this.process });
  }

  private async use(
    what: 'claim' | 'release' | 'forget' | 'end',
    which: number,
    fate: Fate | null,
  ): Promise<void> {
    const held = this.held[which % Math.max(1, this.held.length)];
    if (held === undefined) return;
    if (what === 'claim') {
      await this.host.claim(this.pool.scope, held.address);
      held.claimed = true;
    } else if (what === 'release') {
      // An engine that hears no answer forgets the address all the same.
      await this.answered(fate, () => this.host.release(this.pool, held.address));
      await this.host.disk.delete('port', `p-${held.address}`);
      this.held = this.held.filter((other) => other !== held);
    } else if (what === 'end') {
      await this.host.disk.delete('port', `p-${held.address}`);
      this.held = this.held.filter((other) => other !== held);
    } else if (!held.claimed) {
      this.held = this.held.filter((other) => other !== held);
    }
  }

  /** What index and store say about the address of each container. */
  check(): void {
    const { host, pool } = this;
    for (const lease of host.leases()) expect(host.ipam.lease(pool.scope, lease.address)).toEqual(lease);
    for (const { address, claimed } of this.held) {
      const port = claimed ? `p-${address}` : null;
      expect(host.ipam.lease(pool.scope, address)).toMatchObject({ state: 'active', port });
    }
  }

  /** Everything was released, or is forgotten: all of the share can be given again. */
  async end(): Promise<void> {
    const { host, pool } = this;
    for (const { address } of [...this.held]) {
      await host.release(pool, address);
      await host.disk.delete('port', `p-${address}`);
    }
    if (this.isShared) await this.beginAnew();
    for (const minutes of [6, 11]) {
      host.now += minutes * minute;
      await host.ipam.collect();
    }
    const rest = host.leases().filter(({ kind, name }) => kind === 'endpoint' && name === null);
    expect(rest).toEqual([]);
    expect(host.leases().filter(({ kind, state }) => kind === 'endpoint' && state === 'active')).toEqual([]);
    const reserved = host.active().filter((address) => this.owns(address)).length;
    const given = new Set<string>();
    for (let count = this.first; count <= this.last - reserved; count++) given.add(await host.any(pool));
    expect(given.size).toBe(this.last - this.first + 1 - reserved);
    await expect(host.any(pool)).rejects.toMatchObject({ code: 'WEFT_IPAM_EXHAUSTED' });
  }

  /** A network whose answer was lost may be that of another driver, which claims nothing of what it was given. */
  private get isShared(): boolean {
    return (this.host.disk.get('pool', this.pool.id)?.references ?? 0) > this.networks;
  }

  /** What nobody claims of a shared pool is kept until somebody says otherwise. */
  private async beginAnew(): Promise<void> {
    for (const { id } of this.host.disk.list('engine-network'))
      await this.host.disk.delete('engine-network', id);
    await this.host.ipam.removePool(this.pool.id, true);
    await this.begin();
  }

  private owns(address: string): boolean {
    const offset = this.offset(address);
    return this.first <= offset && offset <= this.last;
  }

  /** The slow model of the next address: any of these, none when nothing is left. */
  private next(name: string | null): string[] {
    const leases = this.host.leases();
    const own = leases.filter(({ address }) => this.owns(address));
    const named = own.filter((lease) => name !== null && lease.name === name && lease.kind === 'endpoint');
    const repeated = this.isShared
      ? []
      : named.filter(({ state, port }) => state === 'active' && port === null);
    if (repeated.length > 0) return repeated.map(({ address }) => address);
    const former = named.filter(({ state }) => state === 'released');
    if (former.length > 0) return releasedAt(former, Math.max(...former.map(({ since }) => since)));
    const taken = new Set(leases.map(({ address }) => address));
    for (let offset = this.first; offset <= this.last; offset++)
      if (!taken.has(this.address(offset))) return [this.address(offset)];
    const released = own.filter(({ state }) => state === 'released');
    return releasedAt(released, Math.min(...released.map(({ since }) => since)));
  }
}

function releasedAt(leases: LeaseRecord[], when: number): string[] {
  return leases.filter(({ since }) => since === when).map(({ address }) => address);
}

describe('whatever happens', () => {
  it('no address is given twice, and none is lost', async () => {
    await fc.assert(
      fc.asyncProperty(settings, moves, async (setting, sequence) => {
        const indices = Array.from({ length: setting.hosts }, (_, index) => index);
        // The last host has the last share, so that the end of the subnet is tried too.
        const engines = indices.map(
          (index) =>
            new Engine(setting, index === setting.hosts - 1 ? setting.of - 1 : index, 1_800_000_000_000),
        );
        for (const engine of engines) await engine.begin();
        for (const { host, step, fate } of sequence) {
          const engine = engines[host % engines.length] as Engine;
          engine.host.now++;
          await engine.carryOut(step, fate);
          engine.check();
          const given = engines.flatMap(({ held }) => held.filter(({ asked }) => !asked));
          expect(new Set(given.map(({ address }) => address)).size).toBe(given.length);
        }
        for (const engine of engines) await engine.end();
      }),
      { numRuns: 200 },
    );
  }, 120_000);
});
