import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Finding } from '../api/schema.js';
import { EventBus } from './events.js';
import { HealthMonitor } from './health.js';

const warning: Finding = {
  code: 'NETNS_GONE',
  severity: 'warning',
  object: 'port p-1',
  message: 'it waits',
  remedy: '',
  since: '2026-01-01T00:00:00Z',
};

afterEach(() => {
  vi.useRealTimers();
});

describe('health', () => {
  it('fails when the worker stands still for more than 2 s, and recovers', () => {
    let now = 0;
    let rounds = 0;
    const health = new HealthMonitor(
      () => rounds,
      () => [],
      () => now,
    );
    expect(health.health().status).toBe('ok');
    now = 2000;
    expect(health.health().status).toBe('ok');
    now = 2001;
    expect(health.health()).toEqual({ status: 'failing', reasons: ['the datapath has stood still for 2 s'] });
    rounds++;
    expect(health.health().status).toBe('ok');
  });

  it('is degraded by findings, but not by information', () => {
    const findings: Finding[] = [{ ...warning, severity: 'info' }];
    const health = new HealthMonitor(
      () => 1,
      () => findings,
    );
    expect(health.health().status).toBe('ok');
    findings.push(warning);
    expect(health.health()).toEqual({ status: 'degraded', reasons: ['it waits (NETNS_GONE)'] });
  });
});

describe('events', () => {
  it('reach every follower, and no one who left', async () => {
    const bus = new EventBus();
    const [one, other] = [bus.follow(), bus.follow()];
    other.close();
    bus.emit('a', 'o', 'm');
    expect((await one.take(1000)).map(({ type }) => type)).toEqual(['a']);
    expect([bus.followers, await other.take(0)]).toEqual([1, []]);
  });

  it('are bounded for a follower who does not read, and it is told', async () => {
    const bus = new EventBus();
    const queue = bus.follow();
    for (let count = 0; count < 1500; count++) bus.emit('a', 'o', String(count));
    const events = await queue.take(1000);
    expect([events.length, events.at(-1)?.type]).toEqual([1001, 'events-lost']);
    expect(events.at(-1)?.message).toContain('500 events were lost');
    expect(bus.lost).toEqual({ engine: 0, client: 500 });
  });

  it('give nothing after the timeout, for the heartbeat', async () => {
    vi.useFakeTimers();
    const taken = new EventBus().follow().take(15_000);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(await taken).toEqual([]);
  });
});
