import { describe, expect, it } from 'vitest';
import { WeftError } from '../errors.js';
import { type Candidate, checkKnown, pair, parseRef, portsOf } from './ends.js';
import type { FarAccount, PortFacts } from './snapshot.js';
import { account, dbMac, dbPort, portFacts, webMac } from './snapshots.js';

const candidate = (port: PortFacts, names: string[][] = [], behind: string[] = []): Candidate => ({
  port,
  names: [[port.id], ...names],
  behind,
});
const web = candidate(portFacts(), [['web'], ['eth0@one'], ['eth0']]);
const db = candidate(dbPort(), [['db'], ['eth0@two'], ['eth0']], ['02:00:00:00:00:99']);
const both = [web, db];
const ids = (given: string, candidates = both) => portsOf(parseRef(given), candidates).map(({ id }) => id);

describe('an end', () => {
  it.each([
    ['p-db', ['p-db']],
    ['db', ['p-db']],
    ['eth0@one', ['p-web']],
    ['eth0', ['p-web', 'p-db']],
    ['10.42.0.3', ['p-db']],
    ['10.42.0.4', []],
    [webMac, ['p-web']],
    [dbMac.toUpperCase().replaceAll(':', '-'), ['p-db']],
    ['02:00:00:00:00:99', ['p-db']],
    ['nobody', []],
  ])('%s is found by what it is called', (given, found) => {
    expect(ids(given)).toEqual(found);
  });

  it('is the port of that ID before one of that name', () => {
    const named = candidate(portFacts({ id: 'p-other' }), [['p-web']]);
    expect(ids('p-web', [named, web])).toEqual(['p-web']);
  });

  it('has the addresses and the MAC of its link now, and those that it was given', () => {
    const changed = candidate(
      portFacts({ link: { mac: '02:00:00:00:00:77', mtu: 1450, addresses: ['10.42.0.9/24'] } }),
    );
    for (const given of ['10.42.0.9', '10.42.0.2', '02:00:00:00:00:77'])
      expect(ids(given, [changed])).toEqual(['p-web']);
    expect(ids(webMac, [changed])).toEqual([]);
  });
});

describe('two ends', () => {
  const on = (id: string, network: string) => portFacts({ id, label: id, network });
  const choose = (
    sources: readonly PortFacts[],
    destinations: readonly PortFacts[],
    network: string | null = null,
    destination = '10.42.0.3',
  ) => {
    const subnets = new Map([
      ['blue', ['10.42.0.0/24']],
      ['red', ['10.43.0.0/24']],
    ] as const);
    const chosen = pair(
      { ref: parseRef('s'), ports: sources },
      { ref: parseRef(destination), ports: destinations },
      network,
      subnets,
    );
    return [chosen.source?.id ?? null, chosen.destination?.id ?? null];
  };
  const code = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return error instanceof WeftError ? error.code : error;
    }
    return null;
  };

  it('are on the network that both have', () => {
    expect(choose([on('s1', 'blue'), on('s2', 'red')], [on('d1', 'red')])).toEqual(['s2', 'd1']);
  });

  it('are on the network that was asked for', () => {
    const two = [on('s1', 'blue'), on('s2', 'red')];
    expect(code(() => choose(two, two))).toBe('WEFT_PORT_AMBIGUOUS');
    expect(choose(two, two, 'red')).toEqual(['s2', 's2']);
  });

  it('may be on no network together, which the walk then says', () => {
    expect(choose([on('s1', 'blue')], [on('d1', 'red')])).toEqual(['s1', 'd1']);
  });

  it('may be one on this host only, on the network whose subnet has the other', () => {
    const two = [on('s1', 'blue'), on('s2', 'red')];
    expect(choose(two, [], null, '10.43.0.9')).toEqual(['s2', null]);
    expect(code(() => choose(two, [], null, 'db'))).toBe('WEFT_PORT_AMBIGUOUS');
    expect(choose([], [on('d1', 'red')])).toEqual([null, 'd1']);
  });

  it('are not both elsewhere', () => {
    expect(code(() => choose([], []))).toBe('WEFT_WHY_ELSEWHERE');
    expect(code(() => choose([on('s1', 'blue')], [], 'red'))).toBe('WEFT_WHY_ELSEWHERE');
  });
});

describe('a name that is at no port here', () => {
  const peers = (...accounts: (FarAccount | null)[]) =>
    accounts.map((one, index) => ({ address: `10.99.0.${index + 2}`, account: one }));
  const without = account({ port: null });
  const elsewhere = account({ port: null, network: 'none' });
  const refusal = (given: string, asked: ReturnType<typeof peers>) => {
    try {
      checkKnown(parseRef(given), asked);
      return null;
    } catch (error) {
      return error instanceof WeftError ? `${error.code}: ${error.message}` : error;
    }
  };

  it('is refused where no peer knows it, with those that could not be asked', () => {
    const nobody =
      'WEFT_WHY_UNKNOWN: there is no port or container named "nosuch" here or at the peers that answered';
    expect(refusal('nosuch', peers())).toBe(nobody);
    expect(refusal('nosuch', peers(without, elsewhere))).toBe(nobody);
    expect(refusal('nosuch', peers(null, without))).toBe(`${nobody}; could not be asked: 10.99.0.2`);
    expect(refusal('nosuch', peers(null, null, null, null, null))).toBe(
      `${nobody}; could not be asked: 10.99.0.2, 10.99.0.3, 10.99.0.4 and 2 more`,
    );
  });

  it('is walked to where a peer knows it, or has no such network, and so are addresses and MACs', () => {
    expect(refusal('db', peers(null, without, account()))).toBeNull();
    expect(refusal('db', peers(elsewhere))).toBeNull();
    expect(refusal('10.42.0.9', peers(without))).toBeNull();
    expect(refusal(dbMac, peers(without))).toBeNull();
  });
});
