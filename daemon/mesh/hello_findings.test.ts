import { describe, expect, it } from 'vitest';
import type { HelloAnswer } from '../datapath/events.js';
import { type HostFacts, helloFindings, type PeerFacts } from './hello_findings.js';
import type { HelloView } from './hellos.js';
import { hostIdBytes, hostIdText, versionNumbers } from './host_self.js';

const own = '00000000-0000-4000-8000-000000000001';
const other = '00000000-0000-4000-8000-000000000002';

const host: HostFacts = {
  hostId: own,
  incarnation: 1n,
  version: '0.1.0',
  ownAddresses: new Set(['10.0.0.1', '10.0.0.11', 'fd00::1']),
  configured: ['10.0.0.1'],
};

const self = (id = other, incarnation = 2n, version = '0.1.0') => ({
  host: hostIdBytes(id),
  incarnation,
  version: versionNumbers(version),
  networks: 0n,
});

function answer(changes: Partial<HelloAnswer> = {}): HelloAnswer {
  return {
    type: 'hello-answer',
    peer: 'p',
    nonce: 1n,
    microseconds: 1,
    bytes: 110,
    takesUnfinished: true,
    self: self(),
    seenAs: '10.0.0.1',
    ...changes,
  };
}

function hello(changes: Partial<HelloView> = {}): HelloView {
  return {
    state: 'alive',
    since: 0,
    roundTrip: null,
    answer: answer(),
    answeredAt: 0,
    unanswered: 0,
    error: null,
    oneWay: false,
    elsewhere: null,
    ...changes,
  };
}

const peer = (changes: Partial<PeerFacts> = {}): PeerFacts => ({
  id: 'p',
  address: '10.0.0.2',
  hello: hello(),
  limit: null,
  clashes: [],
  ...changes,
});

const of = (...peers: PeerFacts[]) =>
  helloFindings(peers, host).map(({ code, object, message }) => `${code} ${object}: ${message}`);

describe('what hellos tell', () => {
  it('is nothing of a peer that is as it should be, away from the start, of another make, or not there', () => {
    expect(of(peer())).toEqual([]);
    for (const state of ['unknown', 'foreign'] as const)
      expect(of(peer({ hello: hello({ state, answer: null, answeredAt: null, unanswered: 50 }) }))).toEqual(
        [],
      );
    expect(of(peer({ hello: null }))).toEqual([]);
  });

  it('is one thing of a peer that does not answer: from elsewhere, one way, or not at all', () => {
    const gone = hello({ state: 'silent', unanswered: 9 });
    expect(of(peer({ hello: gone }))).toEqual([
      'PEER_SILENT peer 10.0.0.2: peer 10.0.0.2 has not answered since 1970-01-01T00:00:00.000Z',
    ]);
    const oneWay = { ...gone, oneWay: true };
    expect(of(peer({ hello: oneWay }))).toEqual([expect.stringMatching(/^PEER_ONE_WAY /)]);
    expect(of(peer({ hello: { ...oneWay, elsewhere: '10.0.0.9' } }))).toEqual([
      'PEER_ANSWERS_ELSEWHERE peer 10.0.0.2: what is sent to 10.0.0.2 is answered from 10.0.0.9',
    ]);
  });

  it.each([
    ['0.2.0', 'runs weft 0.2.0, this host 0.1.0'],
    ['0.1.1', 'runs weft 0.1.1, this host 0.1.0'],
  ])('is another version: %s', (version, sentence) => {
    const [only, ...more] = of(
      peer({ hello: hello({ answer: answer({ self: self(other, 2n, version) }) }) }),
    );
    expect(only).toContain(sentence);
    expect(more).toEqual([]);
  });

  it('is an older version of one that does not say who it is', () => {
    expect(of(peer({ hello: hello({ answer: answer({ self: null, seenAs: null }) }) }))).toEqual([
      'PEER_VERSION peer 10.0.0.2: peer 10.0.0.2 runs an older version of weft, this host 0.1.0',
    ]);
  });

  it('is a copy of this host, or this host itself, by the incarnation', () => {
    const of2 = (incarnation: bigint) =>
      of(peer({ hello: hello({ answer: answer({ self: self(own, incarnation) }) }) }));
    expect(of2(2n)).toEqual([
      expect.stringMatching(/^HOST_ID_CLONED peer 10.0.0.2: .* the host ID of this host/),
    ]);
    expect(of2(1n)).toEqual([expect.stringMatching(/^PEER_IS_THIS_HOST /)]);
  });

  it('is one host that is two peers, or two with one ID', () => {
    const two = (incarnation: bigint) =>
      of(
        peer(),
        peer({
          id: 'q',
          address: '10.0.0.3',
          hello: hello({ answer: answer({ self: self(other, incarnation) }) }),
        }),
      );
    expect(two(2n)).toEqual(['PEER_TWICE peer 10.0.0.3: peers 10.0.0.2 and 10.0.0.3 are one host']);
    expect(two(3n)).toEqual([
      `HOST_ID_CLONED peer 10.0.0.3: peers 10.0.0.2 and 10.0.0.3 are two hosts with one host ID, ${other}`,
    ]);
  });

  it('is an address that is not ours, or not the configured one of its family', () => {
    const seen = (seenAs: string) => of(peer({ hello: hello({ answer: answer({ seenAs }) }) }));
    expect(seen('192.0.2.7')).toEqual([expect.stringContaining('192.0.2.7, which is none of its addresses')]);
    expect(seen('10.0.0.11')).toEqual([
      expect.stringContaining('10.0.0.11, which is not in underlay.addresses'),
    ]);
    expect(seen('fd00::1')).toEqual([]);
  });

  it('is a path that carries less than the kernel knows of', () => {
    expect(of(peer({ limit: { arrives: 1400, route: 1500 } }))).toEqual([
      'PATH_MTU_BLACK_HOLE peer 10.0.0.2: datagrams of more than 1400 bytes do not arrive at 10.0.0.2, and the kernel knows only of 1500',
    ]);
  });

  it('is one finding for each network that does not fit, however many hosts have it so', () => {
    const clashes = [{ network: 'blue', vni: 42, there: { name: 'blue', vni: 43 } }];
    const peers = [2, 3, 4, 5, 6].map((last) =>
      peer({ id: `p${last}`, address: `10.0.0.${last}`, hello: null, clashes }),
    );
    const odd = peer({
      address: '10.0.0.9',
      hello: null,
      clashes: [{ network: 'red', vni: 43, there: { name: 'green', vni: 43 } }],
    });
    expect(of(...peers, odd)).toEqual([
      'VNI_CLASH network blue: network "blue" has VNI 42 here and 43 at 10.0.0.2, 10.0.0.3, 10.0.0.4 and 2 more',
      'VNI_CLASH network red: VNI 43 is network "red" here and "green" at 10.0.0.9',
    ]);
  });
});

describe('what a host says of itself', () => {
  it.each([
    ['0.1.0', [0, 1, 0]],
    ['10.20.30-rc.1+build', [10, 20, 30]],
    ['1.2', [1, 2, 0]],
    ['none', [0, 0, 0]],
    ['70000.1.1', [65_535, 1, 1]],
  ])('has version %s as %j', (text, numbers) => {
    expect(versionNumbers(text)).toEqual(numbers);
  });

  it('has its ID as 16 bytes, and what is no ID as none', () => {
    expect(hostIdText(hostIdBytes(own))).toBe(own);
    expect(hostIdBytes('what')).toEqual(Buffer.alloc(16));
  });
});
