/** The plugin's socket that systemd hands over, so that Docker can connect while weftd is not there yet. */
import { fstatSync, readFileSync } from 'node:fs';
import type { PassedFd } from '../restart/listen_fds.js';

export interface ActivatedSocket {
  fd: number;
  /** Where it is bound. */
  path: string;
}

/** __SO_ACCEPTCON in the column Flags of /proc/net/unix: the socket listens. */
const listening = 0x10000;

/** The socket whose FileDescriptorName is `name`; null when none was handed to this process, or it is no listening unix socket. */
export function activatedSocket(
  passed: readonly PassedFd[],
  name: string,
  readSockets = () => readFileSync('/proc/net/unix', 'latin1'),
): ActivatedSocket | null {
  const fd = passed.find((one) => one.name === name)?.fd;
  if (fd === undefined) return null;
  const path = pathOf(fd, readSockets);
  return path === null ? null : { fd, path };
}

/** The file that a listening unix socket is bound to; null when the descriptor is none. */
function pathOf(fd: number, readSockets: () => string): string | null {
  try {
    const stat = fstatSync(fd);
    if (!stat.isSocket()) return null;
    // Num RefCount Protocol Flags Type St Inode Path
    for (const line of readSockets().split('\n').slice(1)) {
      const [, , , flags = '', , , inode, ...path] = line.split(' ').filter(Boolean);
      if (Number(inode) === stat.ino && (Number.parseInt(flags, 16) & listening) !== 0)
        return path.join(' ') || null;
    }
    return null;
  } catch {
    return null;
  }
}
