import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  contains,
  formatCidr,
  networkOf,
  parseAddress,
  parseCidr,
  parsePeerAddress,
  parseSubnet,
} from './address.js';
import { helloVni, peerIdOf, vniOfName } from './identity.js';
import { isUnicastMac, mintMac, parseMac } from './mac.js';
import { autoMtu, fittingMtu, mtuThrough, overhead } from './mtu.js';
import { ifnameProblem, isHostName, networkNameProblem } from './names.js';

describe('names', () => {
  it.each(['blue', 'a', '0', 'a_b.c-d', 'x'.repeat(63), '10.42.0.0/24', 'fd42::/64'])(
    'takes the network name %s',
    (name) => {
      expect(networkNameProblem(name)).toBeNull();
    },
  );
  it.each(['', 'Blue', '-a', 'x'.repeat(64), 'a/b', 'a b', 'ä', '../x', 'a\n'])(
    'refuses the network name %j',
    (name) => {
      expect(networkNameProblem(name)).not.toBeNull();
    },
  );
  it.each(['eth0', 'a', 'x'.repeat(15), 'veth-1.2_3@'])('takes the interface name %s', (name) => {
    expect(ifnameProblem(name)).toBeNull();
  });
  it.each([
    '',
    'x'.repeat(16),
    'ä'.repeat(8),
    '.',
    '..',
    'all',
    'default',
    'a/b',
    'a b',
    'a:b',
    'tap%d',
    'a\n',
    '\u001b[1m',
  ])('refuses the interface name %j', (name) => {
    expect(ifnameProblem(name)).not.toBeNull();
  });
  it('takes a mistyped address for no host name', () => {
    expect(isHostName('10.0.0.300')).toBe(false);
    expect(isHostName('host3.example')).toBe(true);
  });
});

describe('addresses', () => {
  it('have one text form', () => {
    expect(parseAddress('FD00:0:0::1')).toBe('fd00::1');
    for (const text of ['10.0.0.1/24', '010.0.0.1', '1.2.3', '::ffff:1.2.3.4', 'fe80::1%eth0', '', '1']) {
      expect(parseAddress(text)).toBeNull();
    }
  });

  it('give their network', () => {
    expect(networkOf({ address: '10.42.7.9', prefix: 20 })).toEqual({ address: '10.42.0.0', prefix: 20 });
    expect(networkOf({ address: 'fd42::ffff', prefix: 121 })).toEqual({ address: 'fd42::ff80', prefix: 121 });
    expect(parseSubnet('10.0.0.1/24')).toEqual({ problem: 'has host bits set; write 10.0.0.0/24' });
    expect(parseCidr('10.0.0.1/33')).toBeNull();
  });

  it('lie in the network that networkOf gives, for every address and prefix', () => {
    const cidr = fc.oneof(
      fc.record({ address: fc.ipV4(), prefix: fc.integer({ min: 0, max: 32 }) }),
      fc.record({ address: fc.ipV6(), prefix: fc.integer({ min: 0, max: 128 }) }),
    );
    fc.assert(
      fc.property(cidr, (text) => {
        const parsed = parseCidr(formatCidr(text));
        if (parsed === null) return;
        const subnet = formatCidr(networkOf(parsed));
        expect(contains(subnet, parsed.address)).toBe(true);
        expect(parseSubnet(subnet)).toEqual({ subnet });
      }),
    );
  });

  it.each([
    ['10.0.0.2', { address: '10.0.0.2', port: null }],
    ['10.0.0.2:8472', { address: '10.0.0.2', port: 8472 }],
    ['fd00::2', { address: 'fd00::2', port: null }],
    ['[fd00::2]:8472', { address: 'fd00::2', port: 8472 }],
    ['Host3.example:1', { address: 'host3.example', port: 1 }],
  ])('reads the peer %s', (text, parsed) => {
    expect(parsePeerAddress(text)).toEqual(parsed);
  });

  it.each([
    '',
    ':1',
    '10.0.0.2:0',
    '10.0.0.2:65536',
    '[10.0.0.2]:1',
    '[host]:1',
    'a b',
    '10.0.0.300',
    '224.0.0.1',
    '0.0.0.0',
    '::',
  ])('refuses the peer %j', (text) => {
    expect(parsePeerAddress(text)).toBeNull();
  });
});

describe('identity', () => {
  it('keeps the published VNIs of names: other hosts compute them too', () => {
    expect([vniOfName('blue'), vniOfName('10.42.0.0/24')]).toEqual([9607961, 8310205]);
  });
  it('gives every name a VNI that nobody else uses by convention', () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        expect(vniOfName(name)).toBeGreaterThanOrEqual(4096);
        expect(vniOfName(name)).toBeLessThan(helloVni);
      }),
    );
  });
  it('gives a peer of the file the same ID after a restart', () => {
    expect(peerIdOf('10.0.0.2')).toBe(peerIdOf('10.0.0.2'));
    expect(peerIdOf('10.0.0.2')).not.toBe(peerIdOf('10.0.0.3'));
  });
});

describe('MAC addresses', () => {
  it('are minted as local unicast ones', () => {
    for (let count = 0; count < 1000; count++) {
      const mac = mintMac();
      expect(parseMac(mac)).toBe(mac);
      expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
    }
  });
  it('have one text form', () => {
    expect(parseMac('AA-BB-CC-00-11-22')).toBe('aa:bb:cc:00:11:22');
    for (const text of ['aa:bb:cc:00:11', 'aa:bb:cc:00:11:2', 'aa:bb-cc:00:11:22', 'xx:bb:cc:00:11:22'])
      expect(parseMac(text)).toBeNull();
    expect([isUnicastMac('01:00:5e:00:00:01'), isUnicastMac('00:00:00:00:00:00')]).toEqual([false, false]);
  });
});

describe('MTU', () => {
  it('takes what VXLAN adds from the smallest path', () => {
    expect([overhead('10.0.0.1'), overhead('fd00::1')]).toEqual([50, 70]);
    const path = (address: string, pathMtu: number | null) => ({ address, pathMtu });
    expect(fittingMtu([path('10.0.0.1', 1500), path('10.0.0.2', 1400)], [])).toBe(1350);
    expect(fittingMtu([path('10.0.0.1', 9000), path('fd00::2', 1500)], [])).toBe(1430);
    expect(fittingMtu([path('10.0.0.1', null)], ['10.0.0.9'])).toBe(1450);
    expect(fittingMtu([], ['fd00::1'])).toBe(1430);
    expect(fittingMtu([path('10.0.0.1', 65535)], [])).toBe(9000);
    expect(fittingMtu([path('10.0.0.1', 1300)], [])).toBe(1250);
    expect(autoMtu(1250)).toBe(1280);
    expect(autoMtu(1281)).toBe(1281);
  });

  it('is what is left of one path, and unknown without a route', () => {
    const through = (address: string, pathMtu: number | null) => mtuThrough({ address, pathMtu });
    expect([through('10.0.0.1', 1500), through('fd00::1', 1500)]).toEqual([1450, 1430]);
    expect([through('10.0.0.1', 40), through('10.0.0.1', null)]).toEqual([0, null]);
  });
});
