/** `weftd --remove-links`: what an uninstallation leaves behind in containers' network namespaces is nothing. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Kernel } from './datapath/kernel.js';
import { loadNative } from './datapath/load.js';
import { linkAliasPrefix } from './model/identity.js';
import { lockDirectory } from './state/directory_lock.js';
import { hostIdOf } from './state/open_state.js';

/**
 * Removes every link that carries the tag of this host, in all network namespaces that a process or a mount point leads to, and gives a
 * line for each. The state stays: a weftd that is started later makes the ports again. Throws WEFT_STATE_LOCKED while weftd runs, and what
 * opening the state throws: without the host's ID nobody knows which links are its own.
 */
export async function removeLinks(stateDir: string): Promise<string> {
  if (!existsSync(stateDir)) return '';
  const native = loadNative();
  const unlock = await lockDirectory(stateDir, native);
  try {
    const hostId = await hostIdOf(stateDir);
    return hostId === null ? '' : sweep(native, namespacePaths(), linkAliasPrefix(hostId));
  } finally {
    unlock();
  }
}

export function sweep(
  kernel: Pick<Kernel, 'links' | 'linkDelete'>,
  namespaces: readonly (string | null)[],
  aliasPrefix: string,
): string {
  const lines: string[] = [];
  for (const netns of namespaces) {
    try {
      for (const { ifname, alias } of kernel.links(netns)) {
        if (alias?.startsWith(aliasPrefix) !== true) continue;
        if (kernel.linkDelete(netns, ifname, aliasPrefix))
          lines.push(`removed ${ifname} in ${netns ?? 'the own network namespace'} (${alias})\n`);
      }
    } catch {
      // The process or the mount point that led there is gone by now.
    }
  }
  return lines.join('');
}

/** One path to each network namespace that can be reached from here; null is our own. */
function namespacePaths(): (string | null)[] {
  const found = new Map<string, string | null>([[readlinkSync('/proc/self/ns/net'), null]]);
  const add = (namespace: string, path: string) => {
    if (!found.has(namespace)) found.set(namespace, path);
  };
  for (const { namespace, path } of mountedNamespaces(readFileSync('/proc/self/mountinfo', 'utf8')))
    add(namespace, path);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      add(readlinkSync(`/proc/${pid}/ns/net`), `/proc/${pid}/ns/net`);
    } catch {
      // The process has ended.
    }
  }
  return [...found.values()];
}

/** proc(5): field 4 is the namespace, field 5 the mount point with spaces and the like in octal. */
export function mountedNamespaces(mountinfo: string): { namespace: string; path: string }[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [, , , namespace = '', path = ''] = line.split(' ');
    if (!/^net:\[\d+\]$/.test(namespace)) return [];
    return [
      {
        namespace,
        path: path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
      },
    ];
  });
}
