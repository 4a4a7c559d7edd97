/** The tests of one variant of a foreign peer: one for each behaviour of peers.ts. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Capture } from '../../lab/capture.js';
import { until } from '../../lab/wait.js';
import { expectInvariants } from '../lab/invariants.js';
import type { Family } from '../lab/pair.js';
import { type Bench, everybody, families, openBench, silent } from './bench.js';
import { onceEach } from './once-each.js';
import { type Behaviour, behaviours, variants } from './peers.js';

/** Bytes of IP and ICMP headers in an echo. */
const echoHeaders = { ipv4: 28, ipv6: 48 };
const udpHeaders = echoHeaders;
/** Bytes of one send with UDP_SEGMENT. */
const largestSend = 65_000;

const checks: Record<Behaviour, (bench: Bench) => Promise<void>> = {
  echo4: (bench) => everySize(bench, 'ipv4'),
  echo6: (bench) => everySize(bench, 'ipv6'),

  resolve: async (bench) => {
    const all = everybody(bench);
    for (const { guest, ifname } of all) await guest.namespace.ip('neigh', 'flush', 'dev', ifname);
    expect(await silent(all)).toEqual([]);
  },

  tcp: async ({ inside, outside }) => {
    const bytes = 8_000_000;
    const whole = { received: bytes, wrongAt: -1 };
    for (const [client, server] of crosswise(inside, outside)) {
      for (const family of families) {
        const result = await client.guest.tcpCheck(server.guest, server[family], 9100, bytes);
        expect(result, `${client[family]} to ${server[family]}`).toEqual([whole, whole]);
      }
    }
  },

  udp: async (bench) => {
    for (const family of families) {
      for (const size of [4, 101, 1200, bench.mtu - udpHeaders[family]])
        await datagrams(bench, family, size, 1);
    }
  },

  segment: async (bench) => {
    for (const family of families) {
      for (const size of [500, 1200, bench.mtu - udpHeaders[family]])
        await datagrams(bench, family, size, 40);
    }
  },

  broadcast: (bench) => onceEach(everybody(bench), () => '10.42.0.255'),

  multicast: async (bench) => {
    await onceEach(everybody(bench), () => '239.1.2.3');
    await onceEach(everybody(bench), ({ ifname }) => `ff02::4242%${ifname}`);
  },

  marks: async ({ inside, outside }) => {
    for (const [from, to] of crosswise(inside, outside)) {
      const filter = 'icmp[0] == 8 or (ip6 proto 58 and ip6[40] == 128)';
      const capture = await Capture.start(to.guest.namespace, { ifname: to.ifname, direction: 'in', filter });
      // EF, ECT(1), ECT(0), CE, and AF41 with ECT(0).
      const marks = [0xb8, 0x01, 0x02, 0x03, 0x8a];
      for (const family of families) {
        for (const mark of marks) {
          await from.guest.namespace.run(['ping', '-c1', '-W5', '-n', '-Q', `${mark}`, to[family]]);
        }
      }
      const seen = await until('the marks were captured', () => {
        const found = capture.packets().map(({ trafficClass }) => trafficClass);
        return found.length >= 2 * marks.length && found;
      });
      await capture.stop();
      expect(seen).toEqual([...marks, ...marks]);
    }
  },

  // The ends of the underlay cannot be compared: the other one is not weft.
  clean: ({ lab }) => expectInvariants(lab, { otherMacs: true, unequalEnds: true }),
};

/** Makes the tests of a variant of peers.ts. */
export function speaksTo(id: string): void {
  const variant = variants.find((one) => one.id === id);
  if (variant === undefined) throw new Error(`peers.ts has no variant ${id}`);
  const { make, what, underlay, fails = {} } = variant;

  describe(`${make} over ${underlay}, ${what} (${id})`, () => {
    let bench: Bench;

    beforeAll(async () => {
      bench = await openBench(variant);
      return () => bench.lab.close();
    });

    for (const [behaviour, title] of Object.entries(behaviours) as [Behaviour, string][]) {
      if (fails[behaviour] === undefined) it(title, () => checks[behaviour](bench));
    }
  });
}

/** From the first inside to the first outside, and from the second outside to the second inside. */
function crosswise<T>(inside: readonly [T, T], outside: readonly [T, T]): [T, T][] {
  return [
    [inside[0], outside[0]],
    [outside[1], inside[1]],
  ];
}

async function everySize({ inside, outside }: Bench, family: Family): Promise<void> {
  const [from, to] = [64, 9000].map((size) => size - echoHeaders[family]) as [number, number];
  const ways = crosswise(inside, outside).map(async ([one, other]) => {
    const result = await one.guest.echoSizes(other[family], from, to);
    expect(result, `from ${one[family]}`).toEqual({ answered: to - from + 1, wrong: 0, missing: [] });
  });
  await Promise.all(ways);
}

/** Sends datagrams of a size in both directions, `burst` in one send, and looks at each that comes. */
async function datagrams(bench: Bench, family: Family, size: number, burst: number): Promise<void> {
  const { inside, outside } = bench;
  const count = 80;
  const sentAtOnce = Math.min(burst, Math.floor(largestSend / size));
  const content = Array.from({ length: Math.min(size - 4, 256) }, (_, at) =>
    ((at * 167 + 13) % 256).toString(16).padStart(2, '0'),
  ).join('');
  for (const [from, to] of crosswise(inside, outside)) {
    const send = () => from.guest.gsoSend(to[family], 9000, size, count, sentAtOnce, content);
    const result = await to.guest.sink(9000, size, count, send, content);
    expect(result, `${size} bytes from ${from[family]}`).toEqual({
      ...{ received: count, wrongSize: 0, reordered: 0, wrongContent: 0 },
    });
  }
}
