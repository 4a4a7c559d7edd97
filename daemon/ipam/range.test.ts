import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultSubnets } from './default_subnets.js';
import { MinHeap } from './min_heap.js';
import { parsePoolId, poolIdOf } from './pool_id.js';
import {
  addressOf,
  formatRange,
  largestBlock,
  numberOf,
  overlap,
  rangeOf,
  sizeOf,
  usableOf,
} from './range.js';
import { giveable, partOf } from './shares.js';

describe('ranges', () => {
  it.each([
    ['10.32.0.0/16', 4, '10.32.0.1-10.32.255.254'],
    ['10.0.0.0/30', 4, '10.0.0.1-10.0.0.2'],
    ['fd42::/64', 6, 'fd42::1-fd42::ffff:ffff:ffff:ffff'],
    ['fd42::8/126', 6, 'fd42::9-fd42::b'],
  ] as const)('of %s leave out what no host can have', (subnet, family, expected) => {
    expect(formatRange(usableOf(subnet), family)).toBe(expected);
  });

  it('know their addresses by number', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 32n - 1n), fc.bigInt(2n ** 120n, 2n ** 128n - 1n), (four, six) => {
        expect(numberOf(addressOf(four, 4))).toBe(four);
        expect(numberOf(addressOf(six, 6))).toBe(six);
      }),
    );
    expect(addressOf(numberOf('fd42::1:0:0:1'), 6)).toBe('fd42::1:0:0:1');
  });

  it.each([
    ['10.32.0.0/16', '10.32.4.0/24', true],
    ['10.32.0.0/16', '10.33.0.0/16', false],
    ['fd00::/8', 'fd42::/64', true],
    ['0.0.0.0/0', 'fd42::/64', false],
  ])('%s and %s overlap: %s', (one, other, expected) => {
    expect(overlap(one, other)).toBe(expected);
    expect(overlap(other, one)).toBe(expected);
  });

  it.each([
    ['10.32.0.1', '10.32.15.255', '10.32.8.0/21'],
    ['10.32.16.0', '10.32.31.255', '10.32.16.0/20'],
    ['10.32.0.5', '10.32.0.5', '10.32.0.5/32'],
  ])('from %s to %s have the block %s', (first, last, block) => {
    expect(largestBlock({ first: numberOf(first), last: numberOf(last) }, 4)).toBe(block);
  });
});

describe('shares', () => {
  it('are the sixteenths of a /16', () => {
    const part = partOf('10.32.0.0/16', { of: 16, index: 3 });
    expect(part && formatRange(part, 4)).toBe('10.32.48.0-10.32.63.255');
  });

  it('cover each subnet without a gap or an address twice, whatever their number', () => {
    const subnet = fc.constantFrom(
      '10.32.0.0/16',
      '10.0.0.0/8',
      '10.1.2.0/24',
      '10.1.2.0/29',
      'fd42::/64',
      'fd42::/124',
    );
    fc.assert(
      fc.property(subnet, fc.integer({ min: 1, max: 300 }), (cidr, of) => {
        const { first, last } = rangeOf(cidr);
        let next = first;
        for (let index = 0; index < of; index++) {
          const part = partOf(cidr, { of, index });
          if (part === null) continue;
          expect(part.first).toBe(next);
          next = part.last + 1n;
          const even = sizeOf({ first, last }) / BigInt(of);
          expect([even, even + 1n]).toContain(sizeOf(part));
        }
        expect(next).toBe(last + 1n);
      }),
    );
  });

  it('are met with the range that was asked for', () => {
    const share = { of: 16, index: 3 };
    expect(formatRange(giveable('10.32.0.0/16', '10.32.60.0/22', share), 4)).toBe('10.32.60.0-10.32.63.255');
    expect(formatRange(giveable('10.32.0.0/16', null, { of: 16, index: 0 }), 4)).toBe(
      '10.32.0.1-10.32.15.255',
    );
    expect(() => giveable('10.32.0.0/16', '10.32.64.0/20', share)).toThrow(
      '--ip-range 10.32.64.0/20 holds none of the addresses 10.32.48.0-10.32.63.255 that are the share of this host (of: 16, index: 3)',
    );
    expect(() => giveable('10.32.0.0/29', null, { of: 16, index: 2 })).toThrow(
      'holds none of its 6 addresses',
    );
  });
});

describe('IDs of pools', () => {
  it.each([
    ['weft:1:10.32.0.0/16', '10.32.0.0/16', '10.32.0.0/16', null],
    ['weft:1:10.32.0.0/16,range=10.32.4.0/22', '10.32.0.0/16', '10.32.0.0/16', '10.32.4.0/22'],
    ['weft:1:fd42::/64,network=blue', 'blue', 'fd42::/64', null],
    ['weft:1:10.32.0.0/16,range=10.32.4.0/22,network=b-1.x_y', 'b-1.x_y', '10.32.0.0/16', '10.32.4.0/22'],
    ['weft:1:fd42::/64,network=10.32.0.0/16', '10.32.0.0/16', 'fd42::/64', null],
  ])('%s says what it stands for, and can never change', (id, scope, subnet, range) => {
    expect(poolIdOf({ scope, subnet, range })).toBe(id);
    expect(parsePoolId(id)).toEqual({ scope, subnet, range });
  });

  it.each([
    '',
    'weft:2:10.32.0.0/16',
    'weft:1:10.32.0.1/16',
    'weft:1:10.32.0.0/16,',
    'weft:1:10.32.0.0/16,network=10.32.0.0/16',
    'weft:1:10.32.0.0/16,network=Blue',
    'weft:1:10.32.0.0/16,network=blue,range=10.32.4.0/22',
    'fakelocal/10.54.0.0/24',
  ])('"%s" is none', (id) => {
    expect(parsePoolId(id)).toBeNull();
  });
});

describe('default subnets', () => {
  it('are the same on all hosts', () => {
    expect(defaultSubnets(4)).toHaveLength(16);
    expect(defaultSubnets(4).slice(-1)).toEqual(['10.47.0.0/16']);
    expect(defaultSubnets(6).slice(0, 2)).toEqual(['fdb2:2a2:e648::/64', 'fdb2:2a2:e648:1::/64']);
    expect(defaultSubnets(6).slice(-1)).toEqual(['fdb2:2a2:e648:f::/64']);
  });
});

describe('the heap', () => {
  it('gives the lowest of what is in it', () => {
    const step = fc.oneof(fc.bigInt(0n, 20n), fc.constant(null));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const heap = new MinHeap();
        let model: bigint[] = [];
        for (const number of steps) {
          if (number === null) {
            heap.removeLowest();
            model.shift();
          } else {
            heap.push(number);
            model = [...new Set([...model, number])].sort((one, other) => Number(one - other));
          }
          expect(heap.lowest()).toBe(model[0]);
        }
      }),
    );
  });
});
