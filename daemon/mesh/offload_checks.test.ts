import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Datapath, type OffloadBurst } from '../datapath/datapath.js';
import { FakeNative } from '../datapath/fake_native.js';
import { OffloadChecks } from './offload_checks.js';

const second = 1000;
const minute = 60 * second;

/** How a burst arrives at the far end: the indexes that it lacks; null when nobody answers. */
type Path = (burst: OffloadBurst, peer: number) => number[] | null;

const intact: Path = () => [];
const damaging: Path = ({ segmented, datagrams }) => (segmented ? [...Array(datagrams).keys()] : []);
const silent: Path = () => null;

describe('checks of the offload', () => {
  let native: FakeNative;
  let datapath: Datapath;
  let checks: OffloadChecks;
  let path: Path;
  let bursts: { peer: number; burst: OffloadBurst }[];
  let questions: number;
  /** Seconds since a peer was heard; null is never. Others were heard just now. */
  let idle: Map<string, number | null>;
  let disabled: Map<string, string>;
  const emit = vi.fn();
  const onChange = vi.fn();

  const options = { address: '10.0.0.2', port: 4789, zeroChecksum: false, offload: true, mtu: 1450 };
  const put = (id: string, changes: Partial<typeof options> = {}) =>
    datapath.putPeer(id, { ...options, address: `10.0.0.${id.slice(1)}`, ...changes });

  /** A check by hand. */
  const now = async (id: string) => {
    const [view] = await Promise.all([checks.check(id), vi.advanceTimersByTimeAsync(5 * second)]);
    return view;
  };

  function build() {
    native = new FakeNative();
    datapath = new Datapath(native, { mergeTcp: true, mergeUdp: false }, () => {
      for (const event of datapath.takeEvents()) if (event.type === 'offload-report') checks.report(event);
    });
    const known = new Map<bigint, OffloadBurst>();
    native.engine.onBurst = (peer, nonce, burst) => {
      if (burst === null) questions++;
      else {
        bursts.push({ peer, burst });
        known.set(nonce, burst);
      }
      const sent = known.get(nonce) as OffloadBurst;
      const missing = path(sent, peer);
      if (missing === null) return;
      const report = {
        type: 'offload-report',
        peer,
        nonce,
        error: null,
        sent: sent.datagrams,
        missing,
      } as const;
      setTimeout(() => native.engine.raise(report), 1);
    };
    const counters = datapath.peerCounters.bind(datapath);
    vi.spyOn(datapath, 'peerCounters').mockImplementation(() => {
      const all = counters();
      for (const [id, one] of all) {
        one.idle = idle.get(id) === undefined ? 0 : (idle.get(id) as number | null);
        one.offloadDisabled ??= disabled.get(id) ?? null;
      }
      return all;
    });
    const parts = { datapath, events: { emit }, log: pino({ level: 'silent' }), onChange };
    checks = new OffloadChecks({ ...parts, random: () => 0.5 });
    checks.start();
  }

  beforeEach(() => {
    vi.useFakeTimers();
    vi.clearAllMocks();
    path = intact;
    bursts = [];
    questions = 0;
    idle = new Map();
    disabled = new Map();
    build();
  });
  afterEach(() => {
    checks.stop();
    vi.useRealTimers();
  });

  it('pass where bursts arrive, and come back in ten minutes', async () => {
    put('v2');
    expect(checks.view('v2')).toEqual({ state: 'pending', at: null, detail: null });
    await vi.advanceTimersByTimeAsync(3 * second);
    expect(checks.view('v2')).toMatchObject({
      state: 'passed',
      detail: 'bursts of 2, 128, 128 datagrams arrived as they were sent',
    });
    // Each shape one by one and in one send, by the same source port.
    expect(bursts.map(({ burst: { segmented, bytes, flow } }) => [segmented, bytes, flow])).toEqual([
      [false, 1464, 0],
      [true, 1464, 0],
      [false, 1464, 0],
      [true, 1464, 0],
      [false, 300, 0],
      [true, 300, 0],
    ]);
    expect(new Set(bursts.map(({ burst }) => burst.nonce)).size).toBe(6);
    await vi.advanceTimersByTimeAsync(9 * minute);
    expect(bursts).toHaveLength(6);
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect(bursts).toHaveLength(12);
    expect(native.engine.calls).not.toContain('setOffloadCorrupts true');
  });

  it('switch UDP_SEGMENT off where bursts arrive damaged, and on again when they do not', async () => {
    put('v2');
    path = damaging;
    await vi.advanceTimersByTimeAsync(5 * second);
    const detail = 'bursts arrive damaged (6 of 6 datagrams)';
    expect(checks.view('v2')).toMatchObject({ state: 'failed', detail });
    expect(bursts.map(({ burst }) => burst.flow)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(native.engine.corrupts.size).toBe(1);
    expect(datapath.counters().peers.get('v2')?.offloadDisabled).toBe(detail);
    expect(emit.mock.calls).toEqual([['peer-offload-disabled', 'peer v2', detail]]);
    expect(onChange).toHaveBeenCalledTimes(1);

    // Again after a minute, two, four ...
    const counts: number[] = [];
    for (let i = 0; i < 7; i++) {
      await vi.advanceTimersByTimeAsync(minute + 2 * second);
      counts.push(bursts.length / 6);
    }
    expect(counts).toEqual([2, 2, 3, 3, 3, 3, 4]);
    expect(emit).toHaveBeenCalledTimes(1);

    path = intact;
    await now('v2');
    expect(checks.view('v2').state).toBe('passed');
    expect(native.engine.corrupts.size).toBe(0);
    expect(datapath.counters().peers.get('v2')?.offloadDisabled).toBeNull();
    expect(emit.mock.calls[1]).toEqual([
      'peer-offload-enabled',
      'peer v2',
      'bursts do not arrive damaged any more',
    ]);
    expect(onChange).toHaveBeenCalledTimes(2);
  });

  it('leave the offload on where nobody answers, and come back rarely', async () => {
    put('v2');
    path = silent;
    await vi.advanceTimersByTimeAsync(6 * second);
    expect(checks.view('v2').state).toBe('no-answer');
    expect(bursts).toHaveLength(1);
    expect(bursts[0]?.burst).toMatchObject({ datagrams: 2, segmented: false });
    expect(questions).toBe(2);
    expect(native.engine.calls).not.toContain('setOffloadCorrupts true');
    await vi.advanceTimersByTimeAsync(29 * minute);
    expect(bursts).toHaveLength(2);
  });

  it('wait until something is heard from the peer', async () => {
    put('v2');
    for (const silence of [null, 61]) {
      idle.set('v2', silence);
      await vi.advanceTimersByTimeAsync(minute);
      expect(bursts).toHaveLength(0);
      expect(checks.view('v2')).toMatchObject({
        state: 'pending',
        detail: 'nothing was heard from the peer in the last minute',
      });
    }
    idle.set('v2', 0);
    await vi.advanceTimersByTimeAsync(3 * second);
    expect(checks.view('v2').state).toBe('passed');
  });

  it('do not wait for that by hand', async () => {
    put('v2');
    idle.set('v2', null);
    expect(await now('v2')).toMatchObject({ state: 'passed' });
  });

  it('come soon after a peer that gave no answer was silent and is heard again', async () => {
    put('v2');
    path = silent;
    await vi.advanceTimersByTimeAsync(6 * second);
    expect(checks.view('v2').state).toBe('no-answer');
    idle.set('v2', 61);
    await vi.advanceTimersByTimeAsync(2 * second);
    path = intact;
    idle.set('v2', 0);
    await vi.advanceTimersByTimeAsync(4 * second);
    expect(checks.view('v2').state).toBe('passed');
  });

  it('do not come again at every frame of a peer of another make', async () => {
    put('v2');
    path = silent;
    await vi.advanceTimersByTimeAsync(minute);
    expect(bursts).toHaveLength(1);
  });

  it('keep an offload off that is off while the peer does not answer', async () => {
    put('v2');
    path = damaging;
    await vi.advanceTimersByTimeAsync(5 * second);
    path = silent;
    await now('v2');
    expect(checks.view('v2').state).toBe('no-answer');
    expect(native.engine.corrupts.size).toBe(1);
    expect(datapath.offloadDamage('v2')).not.toBeNull();
  });

  it('come soon after the path changed', async () => {
    put('v2');
    await vi.advanceTimersByTimeAsync(5 * second);
    put('v2', { mtu: 1350 });
    await vi.advanceTimersByTimeAsync(4 * second);
    expect(bursts.slice(6).map(({ burst }) => burst.bytes)).toEqual([1364, 1364, 1364, 1364, 300, 300]);
  });

  it.each([
    ['checksum: zero', { zeroChecksum: true }, 'UDP_SEGMENT is not used with checksum: zero'],
    ['offload: off', { offload: false }, 'UDP_SEGMENT is off for this peer'],
  ])('are off with %s', async (_what, changes, detail) => {
    put('v2', changes);
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(await now('v2')).toMatchObject({ state: 'off', detail });
    expect(bursts).toHaveLength(0);
    put('v2');
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2').state).toBe('passed');
  });

  it('take back what they found when the offload is switched off for the peer', async () => {
    put('v2');
    path = damaging;
    await vi.advanceTimersByTimeAsync(5 * second);
    put('v2', { offload: false });
    await vi.advanceTimersByTimeAsync(2 * second);
    expect(native.engine.corrupts.size).toBe(0);
    expect(checks.view('v2').state).toBe('off');
  });

  it('wait while the kernel refuses UDP_SEGMENT, and come when it is used again', async () => {
    put('v2');
    disabled.set('v2', 'UDP_SEGMENT: EIO');
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2')).toMatchObject({ state: 'off', detail: 'UDP_SEGMENT: EIO' });
    expect(bursts).toHaveLength(0);
    disabled.clear();
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2').state).toBe('passed');
  });

  it.each([
    ['EIO', 'off', 'the kernel refuses UDP_SEGMENT (EIO)'],
    ['EPERM', 'failed', expect.stringContaining('a firewall of this host refuses bursts (EPERM)')],
    ['ENOBUFS', 'pending', 'the burst could not be sent (ENOBUFS)'],
  ])('say it when the kernel refuses a burst with %s', async (error, state, detail) => {
    put('v2');
    native.engine.onBurst = (peer, nonce, burst) => {
      const failed = burst?.segmented === true ? error : null;
      const report = { peer, nonce, error: failed, sent: 2, missing: [] };
      setTimeout(() => native.engine.raise({ type: 'offload-report', ...report }), 1);
    };
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2')).toMatchObject({ state, detail });
    expect(native.engine.calls.includes('setOffloadCorrupts true')).toBe(state === 'failed');
  });

  it('name the firewall that refuses single datagrams too', async () => {
    put('v2');
    native.engine.onBurst = (peer, nonce) =>
      native.engine.raise({ type: 'offload-report', peer, nonce, error: 'EPERM', sent: 0, missing: [] });
    const { state, detail } = await now('v2');
    expect([state, detail]).toEqual([
      'pending',
      expect.stringContaining('a firewall of this host refuses what weftd sends (EPERM)'),
    ]);
  });

  it('ask again for what was lost or late', async () => {
    put('v2');
    let asked = 0;
    path = () => {
      asked++;
      // Every other question or answer is lost, and what comes first lacks the end of the burst.
      if (asked % 2 === 1) return null;
      return asked % 4 === 2 ? [1] : [];
    };
    await vi.advanceTimersByTimeAsync(20 * second);
    expect(checks.view('v2').state).toBe('passed');
    expect(bursts).toHaveLength(6);
  });

  it('take no report of another nonce', async () => {
    put('v2');
    path = silent;
    native.engine.onBurst = (peer) =>
      native.engine.raise({ type: 'offload-report', peer, nonce: 1n, error: null, sent: 2, missing: [] });
    await vi.advanceTimersByTimeAsync(6 * second);
    expect(checks.view('v2').state).toBe('no-answer');
  });

  it('are few at once with many peers, and reach all of them', async () => {
    for (let i = 0; i < 300; i++) put(`v${i}`);
    path = silent;
    const running = new Map<bigint, number>();
    let most = 0;
    const onBurst = native.engine.onBurst;
    native.engine.onBurst = (peer, nonce, burst) => {
      for (const [one, at] of running) if (Date.now() - at >= 2100) running.delete(one);
      if (burst !== null) running.set(nonce, Date.now());
      most = Math.max(most, running.size);
      onBurst(peer, nonce, burst);
    };
    await vi.advanceTimersByTimeAsync(3 * minute);
    expect(most).toBeLessThanOrEqual(8);
    expect(bursts).toHaveLength(300);
  });

  it('forget a peer that was removed, also in the middle of a check', async () => {
    put('v2');
    path = damaging;
    await vi.advanceTimersByTimeAsync(2 * second + 200);
    datapath.removePeer('v2');
    await vi.advanceTimersByTimeAsync(10 * second);
    expect(native.engine.corrupts.size).toBe(0);
    expect(await checks.check('v2')).toMatchObject({
      state: 'pending',
      detail: 'the peer is not in the datapath',
    });
  });

  it('conclude nothing about a peer that was removed while they asked for what was late', async () => {
    put('v2');
    path = (burst, peer) => {
      // The third pair. The answer is there after 1 ms, and asked for again after 100 more.
      if (bursts.length === 6) setTimeout(() => datapath.removePeer('v2'), 50);
      return damaging(burst, peer);
    };
    const view = await now('v2');
    expect(bursts).toHaveLength(6);
    expect(view.state).not.toBe('failed');
    expect(emit).not.toHaveBeenCalled();
  });

  it('join a check that runs already', async () => {
    put('v2');
    const both = Promise.all([checks.check('v2'), checks.check('v2')]);
    await vi.advanceTimersByTimeAsync(second);
    expect((await both).map(({ state }) => state)).toEqual(['passed', 'passed']);
    expect(bursts).toHaveLength(6);
  });

  it('end at once when weftd stops', async () => {
    put('v2');
    path = silent;
    const view = checks.check('v2');
    checks.stop();
    expect((await view).state).toBe('pending');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are off on a host without UDP_SEGMENT, and come when it has it', async () => {
    const underlay = { ipv4: '10.0.0.1', ipv6: null, ports: [4789], acceptAny: false, udpGro: true };
    datapath.setUnderlay({ ...underlay, udpGso: false });
    put('v2');
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2')).toMatchObject({
      state: 'off',
      detail: 'UDP_SEGMENT is off on this host: "weft status" says why',
    });
    expect(bursts).toHaveLength(0);
    datapath.setUnderlay({ ...underlay, udpGso: true });
    await vi.advanceTimersByTimeAsync(5 * second);
    expect(checks.view('v2').state).toBe('passed');
  });
});
