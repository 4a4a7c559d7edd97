/** Who sees a frame that is for several. */
import { expect } from 'vitest';
import { Capture, type Datagram } from '../../lab/capture.js';
import { until } from '../../lab/wait.js';
import type { Party } from './bench.js';

/** Everybody sends datagrams to an address, which all others see once and he himself not at all. */
export async function onceEach(all: readonly Party[], to: (sender: Party) => string): Promise<void> {
  const count = 10;
  const size = 100;
  const firstPort = 7000;
  const captures = await Promise.all(
    all.map(({ guest, ifname }) =>
      Capture.start(guest.namespace, {
        ...{ ifname, direction: 'in' as const },
        filter: `udp dst portrange ${firstPort}-${firstPort + all.length}`,
      }),
    ),
  );
  // weft may join datagrams to a super-frame for a guest.
  const countOf = (datagrams: Datagram[]) =>
    datagrams.reduce((sum, { payload }) => sum + Math.ceil(payload.length / size), 0);
  const seen = () =>
    captures.map((capture) => {
      const datagrams = capture.datagrams();
      return all.map((_, index) =>
        countOf(datagrams.filter(({ destinationPort }) => destinationPort === firstPort + index)),
      );
    });
  const expected = all.map((_, receiver) => all.map((__, sender) => (sender === receiver ? 0 : count)));
  try {
    for (const [index, sender] of all.entries()) {
      await sender.guest.gsoSend(to(sender), firstPort + index, size, count, 1);
    }
    const total = (counts: number[][]) => counts.flat().reduce((sum, one) => sum + one, 0);
    await until('everything was captured', () => total(seen()) >= total(expected)).catch(() => {});
    // A second copy would be before what is sent now.
    const marker = firstPort + all.length;
    for (const sender of all) {
      for (const receiver of all.filter((other) => other !== sender)) {
        await sender.guest.gsoSend(receiver.ipv4, marker, size, 1, 1);
      }
    }
    const isMarker = ({ destinationPort }: Datagram) => destinationPort === marker;
    await until('the markers were captured', () =>
      captures.every((capture) => countOf(capture.datagrams().filter(isMarker)) === all.length - 1),
    );
    expect(seen(), 'received by each (rows) from each (columns)').toEqual(expected);
  } finally {
    await Promise.all(captures.map((capture) => capture.stop()));
  }
}
