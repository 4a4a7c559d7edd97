import { describe, expect, it } from 'vitest';
import { parsePathMtu } from './udp.js';

describe('parsePathMtu', () => {
  it('finds what a router answered', () => {
    const route = '10.42.0.2 dev eth0 src 10.42.0.1 uid 0 \n    cache expires 597sec mtu 1417 \n';
    expect(parsePathMtu(route)).toBe(1417);
  });

  it('knows that there is none', () => {
    expect(parsePathMtu('10.42.0.2 dev eth0 src 10.42.0.1 uid 0 \n    cache \n')).toBeNull();
  });
});
