import { describe, expect, it } from 'vitest';
import { nearest } from '../model/suggestion.js';
import { bytes, count, duration, plural, printable } from './text.js';

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1234567, '1,234,567'],
  ])('counts %i as %s', (value, text) => expect(count(value)).toBe(text));

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [1_876_543_210, '1.88 GB'],
    [Number.MAX_SAFE_INTEGER, '9.01 PB'],
  ])('measures %i bytes as %s', (value, text) => expect(bytes(value)).toBe(text));

  it.each([
    [-1, '0s'],
    [0.9, '0s'],
    [59, '59s'],
    [60, '1m'],
    [3725, '1h 2m'],
    [86400 * 3 + 59, '3d'],
  ])('lasts %d seconds as %s', (value, text) => expect(duration(value)).toBe(text));

  it('knows one from many', () => {
    expect([plural(1, 'port'), plural(2, 'port'), plural(0, 'port')]).toEqual([
      '1 port',
      '2 ports',
      '0 ports',
    ]);
  });
});

describe('printable', () => {
  it('replaces what a terminal would obey, at any depth, and nothing else', () => {
    const value = { a: ['\x1b[2J', 'ü 漢 🙂'], b: { c: 'x\r\ny\x9b', d: 1, e: null, f: true } };
    expect(printable(value)).toEqual({
      a: ['\ufffd[2J', 'ü 漢 🙂'],
      b: { c: 'x\ufffd\ufffdy\ufffd', d: 1, e: null, f: true },
    });
  });
});

describe('nearest', () => {
  it.each([
    ['stats', 'status'],
    ['nework', 'network'],
    ['xyzzy', null],
    ['', null],
  ])('%s -> %s', (word, expected) => expect(nearest(word, ['status', 'network', 'port'])).toBe(expected));

  it('is not slowed down by a long word', () => {
    expect(nearest('x'.repeat(1_000_000), ['status'])).toBe(null);
  });
});
