/** What this machine must have before weftd makes anything. */
import type { Probe } from './datapath/kernel.js';
import { WeftError } from './errors.js';

/** SO_NETNS_COOKIE came with 5.12; UDP_SEGMENT and UDP_GRO are older. */
export const neededKernel = [5, 12] as const;

/** Throws WEFT_KERNEL_TOO_OLD, WEFT_PERMISSION or WEFT_NO_TUN. */
export function checkRequirements(probe: Probe): void {
  const [major = 0, minor = 0] = probe.kernel.split('.').map((part) => Number.parseInt(part, 10));
  if (major < neededKernel[0] || (major === neededKernel[0] && minor < neededKernel[1])) {
    throw new WeftError('WEFT_KERNEL_TOO_OLD', { kernel: probe.kernel, needed: neededKernel.join('.') });
  }
  if (!probe.capNetAdmin)
    throw new WeftError('WEFT_PERMISSION', { action: 'to make network devices (no CAP_NET_ADMIN)' });
  if (!probe.tun) throw new WeftError('WEFT_NO_TUN', { reason: probe.tunError ?? 'unknown' });
}
