/** Counters of ports and peers for people. */
import type { z } from '@hono/zod-openapi';
import type { CountersSchema } from '../api/schema.js';
import { bytes, count, plural } from './text.js';

type Counters = z.infer<typeof CountersSchema>;

export function counterProperties(counters: Counters | null): [string, string][] {
  if (counters === null) return [['Counters', 'none yet']];
  const { rxFrames, rxBytes, rxSuperFrames, rxDropped, txFrames, txBytes, txSuperFrames, txDropped } =
    counters;
  return [
    ['Received', traffic(rxFrames, rxBytes, rxSuperFrames, rxDropped)],
    ['Sent', traffic(txFrames, txBytes, txSuperFrames, txDropped)],
  ];
}

function traffic(frames: number, octets: number, superFrames: number, dropped: number): string {
  const wire = `${plural(frames, 'frame')}, ${count(octets)} bytes (${bytes(octets)})`;
  return `${wire}, ${plural(superFrames, 'super-frame')}, ${count(dropped)} dropped`;
}
