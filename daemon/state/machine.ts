/** Which machine the state was written on: a copy of it that is started on another one would be the same host twice. */
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Machine {
  /** Made of /etc/machine-id, which itself is not to be told (machine-id(5)). */
  id: string;
  /** Its host name then, for people. */
  name: string;
}

/** null where there is no machine ID, or one of this boot only, as systems without a disk of their own have it. */
export function thisMachine(file = '/etc/machine-id', transient = '/run/machine-id'): Machine | null {
  if (existsSync(transient)) return null;
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
  if (!/^[0-9a-f]{32}$/.test(text)) return null;
  return { id: createHmac('sha256', text).update('weft state').digest('hex').slice(0, 32), name: hostname() };
}
