/** What hosts say to each other, and what they find out by it. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Finding, Peer } from '../../daemon/api/schema.js';
import type { Host } from '../../lab/host.js';
import type { KernelHost } from '../../lab/kernel-host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';

const peerAt = async (host: Host, address: string): Promise<Peer> => {
  const found = (await host.peers()).find((peer) => peer.address === address);
  if (found === undefined) throw new Error(`${host.name} has no peer ${address}`);
  return found;
};

const helloIs = (host: Host, address: string, state: Peer['hello']['state']) =>
  until(
    `${address} is ${state} for ${host.name}`,
    async () => {
      const peer = await peerAt(host, address);
      return peer.hello.state === state && peer;
    },
    60,
  );

const findingsOf = async (host: Host, code: string): Promise<Finding[]> =>
  (await host.status()).findings.filter((one) => one.code === code);

const found = (host: Host, code: string) =>
  until(`${host.name} finds ${code}`, async () => (await findingsOf(host, code))[0], 60);

const over = (host: Host, code: string) =>
  until(`${code} of ${host.name} is over`, async () => (await findingsOf(host, code)).length === 0, 60);

describe('weft hosts and another make', () => {
  let lab: Lab;
  let h1: Host;
  let h2: Host;
  let k: KernelHost;
  const segment = () => ({ vni: 42, local: k.ipv4, remote: h1.ipv4, mtu: 1450 });

  beforeAll(async () => {
    lab = await Lab.open();
    h1 = await lab.host('h1');
    h2 = await lab.host('h2');
    k = await lab.kernelHost('k');
    const config = { peers: [h1.ipv4, h2.ipv4, k.ipv4], networks };
    await h1.start(config);
    await h2.start(config);
    return () => lab.close();
  });

  it('find each other without a port or a frame of any guest, and know how long an answer takes', async () => {
    for (const [host, other] of [
      [h1, h2],
      [h2, h1],
    ] as const) {
      const { state, hello } = await helloIs(host, other.ipv4, 'alive');
      expect(state).toBe('active');
      expect(hello).toMatchObject({ seenAs: host.ipv4, reason: null });
      expect(hello.rtt).toBeGreaterThan(0);
      expect(hello.rtt).toBeLessThan(10_000);
      expect(hello.host).toBe((await other.status()).host.id);
      expect(hello.version).toMatch(/^\d+\.\d+\.\d+$/);
    }
    await h1.weft('wait', '--peer', h2.ipv4);
    expect(await findingsOf(h1, 'PEER_SILENT')).toEqual([]);
  });

  it('answer a ping, of any size that fits', async () => {
    const text = await h1.weft('ping', h2.ipv4, '--count', '2', '--interval', '0.05', '--timeout', '10');
    expect(text).toMatch(
      /^[\d.]+: answer 1 after [\d.]+ ms\n[\d.]+: answer 2 after [\d.]+ ms\n2 sent, 2 answered, 0 % lost; /,
    );
    const whole = ['--count', '1', '--timeout', '10', '--size', '1500'];
    expect(await h1.weftJson('ping', h2.ipv4, ...whole)).toMatchObject({
      state: 'alive',
      sent: 1,
      answered: 1,
    });
  });

  it('tell a VTEP of another make from one that is away', async () => {
    const one = { vni: 42, local: k.ipv4, remote: h1.ipv4, mtu: 1450 };
    await k.segment(segment());
    const guest = await lab.guest('g');
    await k.attach(guest, one, ['10.42.0.9/24']);
    const port = await lab.guest('p');
    await h1.attach(port, 'blue', { addresses: ['10.42.0.1/24'] });
    await port.reach('10.42.0.9');
    const peer = await helloIs(h1, k.ipv4, 'foreign');
    expect(peer.state).toBe('active');
    expect(peer.hello.reason).toContain('it is no weft host');
    expect((await peerAt(h2, k.ipv4)).hello.state).toBe('unknown');
    expect(await findingsOf(h1, 'PEER_SILENT')).toEqual([]);
    const refused = await h1.namespace.attempt([
      ...h1.cli,
      'ping',
      k.ipv4,
      '--count',
      '1',
      '--timeout',
      '0.2',
    ]);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('WEFT_PEER_NO_ANSWER');
    const waited = await h1.namespace.attempt([...h1.cli, 'wait', '--peer', k.ipv4, '--timeout', '0.5']);
    expect([waited.status, waited.stderr]).toEqual([1, expect.stringContaining(`peer ${k.ipv4} is foreign`)]);
  });

  it('mark one that dies, keep it, and know it again', async () => {
    await h2.stop();
    const gone = await helloIs(h1, h2.ipv4, 'silent');
    expect(gone.state).toBe('silent');
    const told = await found(h1, 'PEER_SILENT');
    expect(told.object).toBe(`peer ${h2.ipv4}`);
    const { counters } = await peerAt(h1, h2.ipv4);
    await until(
      'it is asked again',
      async () => ((await peerAt(h1, h2.ipv4)).counters?.txFrames ?? 0) > (counters?.txFrames ?? 0),
    );
    await h2.start();
    await helloIs(h1, h2.ipv4, 'alive');
    await over(h1, 'PEER_SILENT');
  });

  it('tell what arrives only one way', async () => {
    const rule = ['INPUT', '-p', 'udp', '--dport', '4789', '-s', h1.ipv4, '-j', 'DROP'];
    await h2.namespace.run(['iptables', '-w', '-A', ...rule]);
    const told = await found(h1, 'PEER_ONE_WAY');
    expect(told.message).toContain('it answers nothing that is sent to it');
    expect(await findingsOf(h1, 'PEER_SILENT')).toEqual([]);
    await found(h2, 'PEER_SILENT');
    await h2.namespace.run(['iptables', '-w', '-D', ...rule]);
    await helloIs(h1, h2.ipv4, 'alive');
    await over(h1, 'PEER_ONE_WAY');
    await over(h2, 'PEER_SILENT');
  });

  it('say it in metrics', async () => {
    const text = await h1.namespace.run(['busybox', 'wget', '-qO-', 'http://127.0.0.1:9478/metrics']);
    expect(text).toContain(`weft_peer_up{peer="${h2.ipv4}"} 1`);
    expect(text).not.toContain(`weft_peer_up{peer="${k.ipv4}"}`);
    expect(text).toMatch(new RegExp(`weft_peer_rtt_seconds\\{peer="${h2.ipv4}"\\} [0-9.e-]+\n`));
  });
});
