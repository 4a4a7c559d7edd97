/**
 * Packages that weft can do without. npm installs their sources and builds nothing (`allowScripts`), because they need headers that a host
 * need not have; who wants one builds it with `npm rebuild NAME`. They are loaded when they are asked for, and never by weftd.
 */
import { createRequire } from 'node:module';

/** `cap` captures on interfaces (libpcap); `raw-socket` sends and receives ICMP. */
export type OptionalPackage = 'cap' | 'raw-socket';

/** What it exports; null when it is not there, or not built for this machine. */
export function optionalPackage<Exports>(name: OptionalPackage): Exports | null {
  try {
    return createRequire(import.meta.url)(name) as Exports;
  } catch {
    return null;
  }
}
