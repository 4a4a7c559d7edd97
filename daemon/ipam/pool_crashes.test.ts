/** Networks that an engine makes and removes, with calls that it repeats when no answer came. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WeftError } from '../errors.js';
import type { PoolRecord } from '../model/objects.js';
import { bare, Crash, type Fate, Host, minute } from './testing/host.js';

const subnet = '10.32.0.0/16';

class Engine {
  readonly host = new Host();
  readonly networks: { id: string; pool: PoolRecord; gateway: string }[] = [];
  private made = 0;

  /** Docker sends a request again when the connection broke. */
  async call<T>(fate: Fate | null, request: () => Promise<T>): Promise<T | null> {
    this.host.store.next(fate);
    try {
      return await request();
    } catch (error) {
      if (error instanceof Crash) {
        this.host.now++;
        this.host.restart();
        return await request();
      }
      if (error instanceof WeftError) return null;
      throw error;
    } finally {
      this.host.store.next(null);
    }
  }

  async create(range: string | null, fails: boolean, fates: (Fate | null)[]): Promise<void> {
    const { host } = this;
    const pool = await this.call(fates[0] ?? null, () => host.pool(subnet, range === null ? {} : { range }));
    if (pool === null) return;
    const gateway = await this.call(fates[1] ?? null, () => host.gateway(pool));
    if (gateway === null || fails) {
      await this.call(fates[2] ?? null, () => host.ipam.releasePool(pool.id));
      return;
    }
    const id = `n${this.made++}`;
    await host.bind(pool, id);
    this.networks.push({ id, pool, gateway });
  }

  async remove(which: number, fates: (Fate | null)[]): Promise<void> {
    const [network] = this.networks.splice(which % Math.max(1, this.networks.length), 1);
    if (network === undefined) return;
    const { id, pool, gateway } = network;
    await this.call(fates[0] ?? null, () => this.host.release(pool, gateway));
    await this.call(fates[1] ?? null, () => this.host.ipam.releasePool(pool.id));
    await this.host.disk.delete('engine-network', id);
  }

  async check(): Promise<void> {
    const { host, networks } = this;
    for (const { pool, gateway } of networks) {
      expect(host.disk.get('pool', pool.id)).toMatchObject({ bound: true });
      expect(host.ipam.lease(pool.scope, bare(gateway))).toMatchObject({ kind: 'gateway', state: 'active' });
    }
    if (host.disk.list('pool').length === 0) expect(host.leases()).toEqual([]);
  }
}

const fates = fc.array(fc.constantFrom<Fate | null>(null, null, 'keep', 'lose', 'refuse'), { maxLength: 3 });
const step = fc.oneof(
  fc.record({
    do: fc.constant('create' as const),
    range: fc.constantFrom(null, null, '10.32.4.0/22'),
    fails: fc.boolean(),
    fates,
  }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(10), fates }),
  fc.record({ do: fc.constant('collect' as const), minutes: fc.constantFrom(1, 11) }),
);

describe('pools', () => {
  it('last as long as a network has them, and no longer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const engine = new Engine();
        const { host } = engine;
        for (const step of steps) {
          if (step.do === 'create') await engine.create(step.range, step.fails, step.fates);
          else if (step.do === 'remove') await engine.remove(step.which, step.fates);
          else {
            host.now += step.minutes * minute;
            await host.ipam.collect();
          }
          await engine.check();
        }
        while (engine.networks.length > 0) await engine.remove(0, []);
        host.now += 24 * 60 * minute;
        await host.ipam.collect();
        // Of requests whose answer was lost gateways are left, as another driver would have them. They can be removed.
        for (const { id } of host.disk.list('pool')) {
          expect(host.active()).not.toEqual([]);
          await host.ipam.removePool(id, false);
        }
        await engine.check();
        expect(host.leases()).toEqual([]);
      }),
      { numRuns: 300 },
    );
  }, 120_000);
});
