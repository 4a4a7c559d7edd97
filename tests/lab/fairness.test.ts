/** Back-pressure: what is full drops there, counted; nobody else waits for it. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../lab/checkout.js';
import type { Guest } from '../../lab/guest.js';
import { killed } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { expectInvariants, settled } from './invariants.js';
import { openPair, type Pair } from './pair.js';

const port = 9000;
const size = 600;

describe('back-pressure and fairness', () => {
  let pair: Pair;
  /** On h1, 10.42.0.3 and 10.42.0.4. */
  let local: Guest;
  let dead: Guest;

  beforeAll(async () => {
    pair = await openPair();
    const { lab, h1, a, b } = pair;
    local = await lab.guest('local');
    dead = await lab.guest('dead');
    await h1.attach(local, 'blue', { name: 'local', addresses: ['10.42.0.3/24'] });
    await h1.attach(dead, 'blue', { name: 'dead', addresses: ['10.42.0.4/24'] });
    for (const guest of [a, b]) {
      for (const [address, other] of [
        ['10.42.0.3', local],
        ['10.42.0.4', dead],
      ] as const) {
        const mac = await other.sys('address');
        await guest.namespace.ip('neigh', 'add', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent');
      }
    }
    await b.reach('10.42.0.3');
    await b.reach('10.42.0.4');
  });
  afterAll(() => pair?.lab.close());

  const send = (from: Guest, address: string, count: number) => from.gsoSend(address, port, size, count, 20);
  const counters = async (name: string) => {
    const found = (await pair.h1.ports()).find((each) => each.name === name);
    if (found?.counters == null) throw new Error(`no counters of ${name}`);
    return found.counters;
  };

  it('a port whose link is down drops its own frames, to the frame, and the others get every one of theirs', async () => {
    const { h1, a, b } = pair;
    const count = 1000;
    const before = await counters('dead');
    const down = await h1.dropped('port_down');
    await dead.namespace.ip('link', 'set', 'eth0', 'down');
    const flood = send(b, '10.42.0.4', count);
    const results = await Promise.all([
      a.sink(port, size, count, () => send(b, '10.42.0.1', count)),
      local.sink(port, size, count, () => send(a, '10.42.0.3', count)),
    ]);
    await flood;
    for (const result of results) expect(result).toEqual({ received: count, wrongSize: 0, reordered: 0 });
    await until('what was for the dead port is counted there', async () => {
      const now = await counters('dead');
      return now.txDropped - before.txDropped === count && now.txFrames === before.txFrames;
    });
    expect((await h1.dropped('port_down')) - down).toBe(count);
    for (const name of ['a', 'local']) expect((await counters(name)).txDropped).toBe(0);
    await dead.namespace.ip('link', 'set', 'eth0', 'up');
    await b.reach('10.42.0.4');
    await until('nothing is reported any more', async () => (await h1.status()).findings.length === 0, 30);
    await expectInvariants(pair.lab, { drops: ['port_down'] });
  });

  it('a guest that reads nothing fills its own socket, and weft loses nothing', async () => {
    const { h1, a, b } = pair;
    const count = 1000;
    const before = await counters('dead');
    const lost = (await h1.status()).frames.droppedEgress;
    const server = `require('dgram').createSocket('udp4').bind(${port})`;
    const deaf = await dead.listen([process.execPath, '-e', server], 'udp', port);
    try {
      deaf.kill('SIGSTOP');
      const result = await a.sink(port, size, count, async () => {
        await Promise.all([send(b, '10.42.0.1', count), send(b, '10.42.0.4', 2 * count)]);
      });
      expect(result).toEqual({ received: count, wrongSize: 0, reordered: 0 });
      // Its socket must be there until then.
      await until(
        'the deaf guest was sent all',
        async () => (await counters('dead')).txFrames - before.txFrames >= 2 * count,
      );
    } finally {
      await killed(deaf);
    }
    expect((await counters('dead')).txDropped).toBe(before.txDropped);
    expect((await h1.status()).frames.droppedEgress).toBe(lost);
    expect(await dead.counter('RcvbufErrors')).toBeGreaterThan(0);
    await expectInvariants(pair.lab, { drops: ['port_down'] });
  });

  it('small frames pass beside sixteen streams of super-frames between the same two guests', {
    timeout: 120_000,
  }, async () => {
    const { a, b } = pair;
    const listener = await b.listen(['iperf3', '-s', '-1'], 'tcp', 5201);
    const echo = a.namespace.start(['ping', '-q', '-n', '-i', '0.001', '10.42.0.2'], 'pipe');
    let text = '';
    echo.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const ended = once(echo, 'close');
    try {
      const argv = ['iperf3', '-J', '-c', '10.42.0.2', '-P', '16', '-t', '4'];
      const { end } = JSON.parse(await a.namespace.run(argv, { timeout: 90 })) as Report;
      expect(end.streams).toHaveLength(16);
      for (const { receiver } of end.streams) expect(receiver.bytes).toBeGreaterThan(0);
    } finally {
      echo.kill('SIGINT');
      await ended;
      await killed(listener);
    }
    const [, sent = 0, received = 0] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    expect(Number(sent)).toBeGreaterThan(100);
    expect(Number(received)).toBeGreaterThan(100);
    await expectInvariants(pair.lab, { drops: ['port_down'], unequalEnds: true });
  });

  it('a full underlay socket drops there, while local traffic and the control plane go on', {
    timeout: 120_000,
  }, async () => {
    const { lab, h1, a, b } = pair;
    // Slower than anything here, with room for more than a socket may have under way: so it is the socket that fills.
    const shape = ['rate', '4mbit', 'burst', '64kb', 'limit', '400000000'];
    await h1.namespace.run(['tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', ...shape]);
    const before = await settled(h1);
    const stop = new AbortController();
    // Somebody listens, so that nothing comes back.
    const listener = await b.listen([tool('udp_sink'), `${port}`, '1200', '1000000000', '60'], 'udp', port);
    const flood = (async () => {
      while (!stop.signal.aborted) await a.gsoSend('10.42.0.2', port, 1200, 4000, 40);
    })();
    try {
      await until('the socket is full', async () => (await h1.dropped('underlay_full')) > 1000, 60);
      const count = 1000;
      // In portions that a TAP's queue holds, because the flood leaves weftd little of a busy machine.
      const { received, wrongSize } = await local.sink(port, size, count, async () => {
        for (let sent = 0; sent < count; sent += 100) await send(dead, '10.42.0.3', 100);
      });
      expect({ received, wrongSize }).toEqual({ received: count, wrongSize: 0 });

      const began = performance.now();
      const late = await lab.guest('late');
      await h1.attach(late, 'blue', { name: 'late', addresses: ['10.42.0.5/24'] });
      await late.reach('10.42.0.3');
      expect(performance.now() - began).toBeLessThan(20_000);
    } finally {
      stop.abort();
      await flood;
      await killed(listener);
    }
    const after = await settled(h1);
    const { frames } = after;
    expect(frames.queued).toBe(frames.sent + frames.droppedEgress);
    const of = (found: typeof after.found, reason: string) =>
      found.find((drop) => drop.reason === reason)?.count ?? 0;
    const full = of(after.found, 'underlay_full') - of(before.found, 'underlay_full');
    expect(frames.droppedEgress - before.frames.droppedEgress).toBe(full);
    const [peer] = await h1.peers();
    expect(peer?.counters?.txDropped).toBe(full);

    await h1.namespace.run(['tc', 'qdisc', 'del', 'dev', 'eth0', 'root']);
    await b.reach('10.42.0.1');
    await expectInvariants(lab, { drops: ['port_down', 'underlay_full'], unequalEnds: true });
  });
});

interface Report {
  end: { streams: { receiver: { bytes: number } }[] };
}
