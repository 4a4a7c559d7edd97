import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Datapath } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import { EventBus } from '../telemetry/events.js';
import { EngineEvents } from './engine_events.js';

describe('events of the engine', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function build() {
    const native = new FakeNative();
    const merge = { mergeTcp: true, mergeUdp: false };
    const datapath: Datapath = new Datapath(native, merge, () => engineEvents.wake());
    const take = vi.spyOn(native.engine, 'takeEvents');
    const repair = vi.fn();
    const parts = { datapath, events: new EventBus(), log: pino({ level: 'silent' }) };
    const engineEvents: EngineEvents = new EngineEvents(parts, repair, vi.fn(), () => true);
    const queue = parts.events.follow();
    return { native, take, repair, engineEvents, queue };
  }

  const stranger = { type: 'stranger', address: '10.0.0.9' } as const;

  it('tell of one stranger once', async () => {
    const { native, queue } = build();
    for (let i = 0; i < 9; i++) native.engine.raise(stranger);
    await vi.advanceTimersByTimeAsync(50);
    expect(await queue.take(0)).toHaveLength(1);
  });

  it('are taken at once when they are rare, and every 50 ms in a flood', async () => {
    const { native, take, queue } = build();
    native.engine.raise(stranger);
    expect(take).toHaveBeenCalledTimes(1);
    for (let i = 0; i < 100; i++) {
      native.engine.raise({ ...stranger, address: `10.0.1.${i}` });
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(take.mock.calls.length).toBeLessThanOrEqual(3);
    await vi.advanceTimersByTimeAsync(50);
    expect(await queue.take(0)).toHaveLength(101);
  });

  it('are not taken any more once stopped', async () => {
    const { native, take, engineEvents } = build();
    native.engine.raise(stranger);
    native.engine.raise(stranger);
    engineEvents.stop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(take).toHaveBeenCalledTimes(1);
  });
});
