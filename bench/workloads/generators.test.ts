import { describe, expect, it } from 'vitest';
import { broadcastTarget, frameDetails, parseReceived, parseSent } from './generators.js';

const sent = { refused: 3, seconds: 2, framesPerSecond: 50_000, cpuSeconds: 1 };
const received = { received: 900, seconds: 1, framesPerSecond: 900, cpuSeconds: 0.25 };

describe('what generators say', () => {
  it('is their last line', () => {
    expect(parseReceived(`ready\n${JSON.stringify({ ...received, overflow: 4 })}\n`)).toEqual({
      ...received,
      overflow: 4,
    });
    expect(parseSent(`${JSON.stringify({ sent: 100_000, ...sent })}\n`)).toEqual(sent);
  });

  it('is refused when they broke off', () => {
    expect(() => parseReceived('ready\n')).toThrow();
    expect(() => parseSent('')).toThrow();
  });
});

describe('frameDetails', () => {
  it('adds up what all ends did', () => {
    expect(frameDetails([sent, sent], [received])).toEqual({
      'sent kpps': 100,
      'sender CPU %': 100,
      'receiver CPU %': 25,
    });
  });

  it('tells what share of the frames met a full socket', () => {
    const details = frameDetails([sent], [{ ...received, overflow: 100 }]);
    expect(details['lost at the full receiving socket %']).toBe(10);
  });

  it('tells how many frames came in one packet', () => {
    const details = frameDetails([sent], [{ ...received, packets: 30 }]);
    expect(details['frames in a packet to the guest']).toBe(30);
  });

  it('survives a receiver that got nothing', () => {
    const nothing = { ...received, received: 0, overflow: 0, packets: 0 };
    expect(Object.values(frameDetails([sent], [nothing])).every(Number.isFinite)).toBe(true);
  });
});

describe('broadcastTarget', () => {
  it('goes to every MAC', () => {
    expect(broadcastTarget('255.255.255.255')).toBe('255.255.255.255@ff:ff:ff:ff:ff:ff');
  });
});
