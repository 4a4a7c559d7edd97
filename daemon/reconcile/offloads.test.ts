import { describe, expect, it } from 'vitest';
import { describeOffloads, noFaults, usedOffloads } from './offloads.js';

const auto = {
  tso: 'auto',
  uso: 'auto',
  coalesce_tcp: 'auto',
  coalesce_udp: 'auto',
  udp_gso: 'auto',
  udp_gro: 'auto',
  carry_checksum: 'auto',
} as const;

describe('the offloads in use', () => {
  it('are all, unless something is said or found', () => {
    expect(new Set(Object.values(describeOffloads(auto, noFaults)))).toEqual(new Set(['on']));
    expect(new Set(Object.values(usedOffloads(auto, noFaults)))).toEqual(new Set([true]));
  });

  it.each([
    ['tso', 'tso'],
    ['uso', 'uso'],
    ['coalesce_tcp', 'coalesceTcp'],
    ['coalesce_udp', 'coalesceUdp'],
    ['udp_gso', 'udpGso'],
    ['udp_gro', 'udpGro'],
    ['carry_checksum', 'carryChecksum'],
  ] as const)('without %s, which is switched off', (key, name) => {
    const switches = { ...auto, [key]: 'off' };
    expect(describeOffloads(switches, noFaults)[name]).toBe('off (configured)');
    expect(usedOffloads(switches, noFaults)[name]).toBe(false);
  });

  it('without one that has a fault', () => {
    const faults = { ...noFaults, udpGso: 'two datagrams: 1 of 2 datagrams arrived' };
    expect(describeOffloads(auto, faults)).toMatchObject({
      udpGso: 'off: two datagrams: 1 of 2 datagrams arrived',
      udpGro: 'on',
    });
    expect(usedOffloads(auto, faults)).toMatchObject({ udpGso: false, udpGro: true });
  });

  it('give a port no super-frames of a kind that it may not send', () => {
    const faults = { ...noFaults, uso: 'not in this kernel' };
    expect(describeOffloads({ ...auto, tso: 'off' }, faults)).toMatchObject({
      coalesceTcp: 'off: tso is off',
      coalesceUdp: 'off: uso is off',
    });
  });
});
