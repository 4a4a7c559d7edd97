import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { largestText } from '../mesh/queries.js';
import { replyRoom } from './far_hosts.js';
import {
  decodeAccount,
  decodeQuestion,
  encodeAccount,
  encodeQuestion,
  type FarQuestion,
} from './far_wire.js';
import { account, dbMac, place, webMac } from './snapshots.js';

const question: FarQuestion = {
  network: 'blue',
  vni: 42,
  fromMac: webMac,
  toMac: dbMac,
  toAddress: '10.42.0.3',
  toName: 'db',
};
const text = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('questions and accounts', () => {
  it('arrive as they were', () => {
    expect(decodeQuestion(encodeQuestion(question))).toEqual(question);
    const blank = { ...question, fromMac: null, toMac: null, toAddress: null, toName: null };
    expect(decodeQuestion(encodeQuestion(blank))).toEqual(blank);
    const full = account({ vni: 43, drop: { reason: 'port_full', frames: 1, idle: 2 } });
    expect(decodeAccount(encodeAccount(full, replyRoom) ?? Buffer.alloc(0))).toEqual(full);
  });

  it('may have fields that are not known, and lack those that may be null', () => {
    expect(decodeQuestion(text({ network: 'blue', vni: 42, more: 1 }))).toMatchObject({ toMac: null });
    const { drop, port, vni, ...rest } = account();
    expect(decodeAccount(text({ ...rest, more: {} }))).toMatchObject({ drop: null, port: null, vni: null });
  });

  it.each([
    ['a MAC in another form', { ...question, toMac: dbMac.toUpperCase().replace('02', 'AA') }],
    ['a MAC that is none', { ...question, fromMac: 'x' }],
    ['an address that is none', { ...question, toAddress: '10.42.0' }],
    ['an address in another form', { ...question, toAddress: 'FD42::1' }],
    ['a VNI of 25 bits', { ...question, vni: 2 ** 24 }],
    ['a name without end', { ...question, toName: 'x'.repeat(257) }],
    ['a network without a name', { ...question, network: '' }],
    ['no object', [question]],
  ])('with %s are no question', (_what, wrong) => {
    expect(decodeQuestion(text(wrong))).toBeNull();
  });

  it.each([
    ['a reason with other characters', account({ drop: { reason: 'a b\x1b', frames: 1, idle: 1 } })],
    ['a negative number', account({ to: place({ idle: -1 }) })],
    ['a peer that is no host name', account({ to: place({ where: 'peer', address: 'a b' }) })],
    ['another state', { ...account(), port: { ...account().port, state: 'on fire' } }],
    ['an MTU that no packet has', account({ mtu: 65_536 })],
  ])('with %s are no account', (_what, wrong) => {
    expect(decodeAccount(text(wrong))).toBeNull();
  });

  it('fit into the room, without the drops where there is less', () => {
    const drop = {
      reason: 'underlay_refused',
      frames: Number.MAX_SAFE_INTEGER,
      idle: Number.MAX_SAFE_INTEGER,
    };
    const long = place({ where: 'peer', address: 'h'.repeat(100), idle: Number.MAX_SAFE_INTEGER });
    const port = {
      mac: dbMac,
      address: 'fd42:1111:2222:3333:4444:5555:6666:7777',
      state: 'waiting' as const,
      drop,
    };
    const largest = account({ network: 'renamed', vni: 0xff_ffff, to: long, from: long, port, drop });
    const whole = encodeAccount(largest, largestText);
    expect(decodeAccount(whole ?? Buffer.alloc(0))).toEqual(largest);
    const less = encodeAccount(largest, (whole?.length ?? 0) - 1);
    expect(decodeAccount(less ?? Buffer.alloc(0))).toEqual({
      ...largest,
      port: { ...port, drop: null },
      drop: null,
    });
    expect(encodeAccount(largest, 100)).toBeNull();
    expect(replyRoom).toBeLessThanOrEqual(largestText);
  });

  it('are read from any bytes without harm', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: largestText }).map((array) => Buffer.from(array)),
      fc.json().map((json) => Buffer.from(json)),
      fc
        .tuple(fc.constantFrom(text(question), text(account())), fc.nat(), fc.nat(255))
        .map(([whole, at, byte]) => {
          const spoilt = Buffer.from(whole);
          spoilt[at % spoilt.length] = byte;
          return spoilt;
        }),
    );
    fc.assert(
      fc.property(bytes, (some) => {
        const asked = decodeQuestion(some);
        if (asked !== null) expect(decodeQuestion(encodeQuestion(asked))).toEqual(asked);
        const said = decodeAccount(some);
        if (said !== null)
          expect(decodeAccount(encodeAccount(said, 100_000) ?? Buffer.alloc(0))).toEqual(said);
      }),
      { numRuns: 1000 },
    );
  });
});
