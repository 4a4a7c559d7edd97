/** Sockets that systemd hands over (sd_listen_fds(3)), so that Docker can connect while weftd is not there yet. */
import { fstatSync, readFileSync } from 'node:fs';

export interface ActivatedSocket {
  fd: number;
  /** Where it is bound. */
  path: string;
}

const firstFd = 3;
const variables = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;
/** __SO_ACCEPTCON in the column Flags of /proc/net/unix: the socket listens. */
const listening = 0x10000;

/**
 * The socket whose FileDescriptorName is `name`; null when none was handed to this process, or it is no listening unix socket. Removes the
 * variables from `env`, so that no child takes them for its own.
 */
export function takeActivated(
  env: NodeJS.ProcessEnv,
  name: string,
  pid = process.pid,
  readSockets = () => readFileSync('/proc/net/unix', 'latin1'),
): ActivatedSocket | null {
  const [forPid, count, names] = variables.map((variable) => env[variable]);
  for (const variable of variables) delete env[variable];
  if (forPid !== String(pid) || !/^\d{1,4}$/.test(count ?? '')) return null;
  const index = (names ?? '').split(':').slice(0, Number(count)).indexOf(name);
  if (index < 0) return null;
  const fd = firstFd + index;
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
