import { beforeAll, describe, expect, it } from 'vitest';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import type { Namespace } from '../../lab/namespace.js';
import { until } from '../../lab/wait.js';
import { settled } from './invariants.js';
import { networks } from './pair.js';

const mac = (last: number) => `0200000000${last.toString(16).padStart(2, '0')}`;
const vxlan = (vni: number, flags = '08') => `${flags}000000${vni.toString(16).padStart(6, '0')}00`;
const ethernet = (type: string, source = mac(1)) => `ffffffffffff${source}${type}`;
const filler = '00'.repeat(46);

describe('datagrams that nobody asked for', () => {
  let lab: Lab;
  let host: Host;
  let peer: Namespace;
  let stranger: Namespace;

  beforeAll(async () => {
    lab = await Lab.open();
    host = await lab.host('h1');
    const other = await lab.kernelHost('peer');
    peer = other.namespace;
    stranger = (await lab.kernelHost('stranger')).namespace;
    await host.start({ peers: [other.ipv4], networks });
    await host.attach(await lab.guest('a'), 'blue');
    return () => lab.close();
  });

  const send = (from: Namespace, hex: string) => {
    const escaped = hex.replace(/../g, '\\x$&');
    return from.run(['bash', '-c', `printf '${escaped}' >/dev/udp/${host.ipv4}/4789`]);
  };

  it.each([
    ['from a stranger', 'unknown_peer', () => stranger, vxlan(42) + ethernet('88b5') + filler],
    ['for an unknown VNI', 'unknown_vni', () => peer, vxlan(4711) + ethernet('88b5') + filler],
    ['with the I bit clear', 'bad_vxlan_header', () => peer, vxlan(42, '00') + ethernet('88b5') + filler],
    ['of 1 byte', 'bad_vxlan_header', () => peer, '08'],
    ['of 7 bytes', 'bad_vxlan_header', () => peer, '08000000000000'],
    ['without an inner frame', 'runt', () => peer, vxlan(42)],
    ['with half an Ethernet header', 'runt', () => peer, `${vxlan(42)}ffffffffffff`],
    [
      'whose IPv4 header lies about its length',
      'ip_length',
      () => peer,
      `${vxlan(42)}${ethernet('0800')}4500ffff00000000401100000a2a00010a2a0002`,
    ],
    [
      'whose source is a group',
      'source_group',
      () => peer,
      vxlan(42) + ethernet('88b5', '010000000001') + filler,
    ],
    [
      'whose source is zero',
      'source_group',
      () => peer,
      vxlan(42) + ethernet('88b5', '000000000000') + filler,
    ],
    ['for a reserved group', 'reserved_group', () => peer, `${vxlan(42)}0180c2000000${mac(1)}88b5${filler}`],
    ['with a VLAN tag', 'inner_vlan', () => peer, `${vxlan(42)}${ethernet('8100')}000188b5${filler}`],
  ])('%s: dropped and counted as %s', async (_, reason, from, hex) => {
    const before = await host.dropped(reason);
    for (let i = 0; i < 3; i++) await send(from(), hex);
    await until(`${reason} is counted`, async () => (await host.dropped(reason)) === before + 3);
    const text = await host.weft('drops');
    expect(text).toContain(reason);
  });

  it('leaves the daemon running, with books that balance', async () => {
    expect((await host.status()).pid).toBe(host.pid);
    const { frames } = await settled(host);
    expect(frames.received).toBe(frames.unicast + frames.flooded + frames.consumed + frames.dropped);
  });

  it('survives random bytes', async () => {
    const { pid } = await host.status();
    await peer.run([
      'bash',
      '-c',
      `for i in $(seq 300); do head -c $((RANDOM % 1400 + 1)) /dev/urandom >/dev/udp/${host.ipv4}/4789; done`,
    ]);
    expect((await host.status()).pid).toBe(pid);
  });
});
