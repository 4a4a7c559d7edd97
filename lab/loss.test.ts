import { describe, expect, it } from 'vitest';
import { bufferErrors, explainLoss, type Losses } from './loss.js';

const none: Losses = { drops: new Map([['port_full', 2]]), containerSocket: 5, hostSockets: 1 };

describe('the loss of datagrams', () => {
  it.each([
    [{ containerSocket: 9 }, '(lost in the receiving socket: this machine is busy)'],
    [
      { containerSocket: 9, hostSockets: 2 },
      "(lost in the receiving socket and weftd's socket: this machine is busy)",
    ],
    [{ containerSocket: 9, drops: new Map([['port_full', 7]]) }, '(weft dropped 5 port_full)'],
    [{}, '(neither weft nor a socket counted a drop)'],
  ])('is explained by %j', (after, sentence) => {
    expect(explainLoss(none, { ...none, ...after })).toBe(sentence);
  });

  it('is read from the counters of the kernel', () => {
    const snmp =
      'Ip: A\nIp: 1\nUdp: InDatagrams NoPorts RcvbufErrors X\nUdp: 1 2 33 4\nUdpLite: RcvbufErrors\nUdpLite: 7\n';
    expect(bufferErrors(snmp)).toBe(33);
  });
});
