import { expect, it } from 'vitest';
import { gotByCrowd, parseReceivedFrames } from './crowd.js';

const heading = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

it('received frames are read by interface', () => {
  const text = `${heading}    lo:       0       0    0    0    0     0          0         0        0       0    0
    p0: 1234567      89    0    0    0     0          0         0     1000      10    0
p12345678:12345678901 23456789    0    0    0     0          0         0        0       0    0
`;
  expect([...parseReceivedFrames(text)]).toEqual([
    ['lo', 0],
    ['p0', 89],
    ['p12345678', 23_456_789],
  ]);
});

it('all ports of a crowd count, each with what it got', () => {
  const before = new Map(Object.entries({ lo: 5, p0: 10, p1: 10, p2: 10 }));
  const after = new Map(Object.entries({ lo: 99, p0: 110, p1: 10, p2: 70 }));
  expect(gotByCrowd(before, after, 3)).toEqual({ copies: 160, fewest: 0 });
  expect(() => gotByCrowd(before, after, 4)).toThrow('port p3 is not there');
});
