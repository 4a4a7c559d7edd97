/** Which offloads are used: those that are not switched off, and in which the probe found no fault. Pure. */
import type { Config } from '../config/schema.js';
import type { Probe } from '../datapath/kernel.js';

export type OffloadFaults = Probe['offloads'];
export type OffloadName = keyof OffloadFaults | 'carryChecksum';
type Switches = Config['underlay']['offloads'];

export const noFaults: OffloadFaults = {
  tso: null,
  uso: null,
  coalesceTcp: null,
  coalesceUdp: null,
  udpGso: null,
  udpGro: null,
};

const switchOf = {
  tso: 'tso',
  uso: 'uso',
  coalesceTcp: 'coalesce_tcp',
  coalesceUdp: 'coalesce_udp',
  udpGso: 'udp_gso',
  udpGro: 'udp_gro',
  carryChecksum: 'carry_checksum',
} as const satisfies Record<OffloadName, keyof Switches>;

/** A port gets super-frames only of the kinds that it may send. */
const needs: Partial<Record<OffloadName, OffloadName>> = { coalesceTcp: 'tso', coalesceUdp: 'uso' };

/** "on", "off (configured)", or "off: " and the fault, for each. */
export function describeOffloads(switches: Switches, faults: OffloadFaults): Record<OffloadName, string> {
  const say = (name: OffloadName): string => {
    // It asks nothing of the kernel.
    const fault = name === 'carryChecksum' ? null : faults[name];
    if (switches[switchOf[name]] === 'off') return 'off (configured)';
    if (fault !== null) return `off: ${fault}`;
    const needed = needs[name];
    return needed === undefined || say(needed) === 'on' ? 'on' : `off: ${switchOf[needed]} is off`;
  };
  return forEach(say);
}

export function usedOffloads(switches: Switches, faults: OffloadFaults): Record<OffloadName, boolean> {
  const texts = describeOffloads(switches, faults);
  return forEach((name) => texts[name] === 'on');
}

function forEach<T>(make: (name: OffloadName) => T): Record<OffloadName, T> {
  return {
    tso: make('tso'),
    uso: make('uso'),
    coalesceTcp: make('coalesceTcp'),
    coalesceUdp: make('coalesceUdp'),
    udpGso: make('udpGso'),
    udpGro: make('udpGro'),
    carryChecksum: make('carryChecksum'),
  };
}
