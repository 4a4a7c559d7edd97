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
    // A second copy would be before what is sent now. A marker may be lost, as any datagram, and be seen by others while a switch floods it.
    const marker = firstPort + all.length;
    const awaited = () =>
      all.flatMap((sender) =>
        all.flatMap((receiver, index) => {
          const arrived = captures[index]
            ?.datagrams()
            .some(
              ({ destinationPort, ip }) =>
                destinationPort === marker && ip.source === sender.ipv4 && ip.destination === receiver.ipv4,
            );
          return sender === receiver || arrived ? [] : [{ sender, receiver }];
        }),
      );
    await until('a marker of everybody was captured by everybody else', async () => {
      for (const { sender, receiver } of awaited())
        await sender.guest.gsoSend(receiver.ipv4, marker, size, 1, 1);
      await until('they were captured', () => awaited().length === 0, 2).catch(() => {});
      const missing = awaited().map(({ sender, receiver }) => `${sender.ipv4} to ${receiver.ipv4}`);
      if (missing.length > 0) throw new Error(missing.join(', '));
      return true;
    });
    expect(seen(), 'received by each (rows) from each (columns)').toEqual(expected);
  } finally {
    await Promise.all(captures.map((capture) => capture.stop()));
  }
}
