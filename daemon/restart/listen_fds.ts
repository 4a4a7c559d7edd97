/** Descriptors that systemd hands to a service at its start (sd_listen_fds(3)): its sockets, and what it has put into the fd store. */

export interface PassedFd {
  fd: number;
  /** FileDescriptorName of a socket, FDNAME of a stored descriptor. */
  name: string;
}

const firstFd = 3;
const variables = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;

/** Those that were handed to this process. Removes the variables from `env`, so that no child takes them for its own. */
export function takeListenFds(env: NodeJS.ProcessEnv, pid = process.pid): PassedFd[] {
  const [forPid, count, names = ''] = variables.map((variable) => env[variable]);
  for (const variable of variables) delete env[variable];
  if (forPid !== String(pid) || !/^\d{1,5}$/.test(count ?? '')) return [];
  const named = names.split(':');
  return Array.from({ length: Number(count) }, (_, index) => ({
    fd: firstFd + index,
    name: named[index] ?? '',
  }));
}
