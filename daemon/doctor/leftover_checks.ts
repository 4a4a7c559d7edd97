/** What an earlier weftd left, and what keeps Docker from finding this one. */
import { join } from 'node:path';
import type { Link } from '../datapath/kernel.js';
import { specDirectories, specFileNames } from '../docker/spec_files.js';
import { bounded, type Check, complaintsOr, error, ok, skipped, type Verdict, warning } from './check.js';
import type { Facts } from './facts.js';

/** Namespaces that are looked into. */
const mostNamespaces = 512;
const namespaceDirectory = '/run/netns';

export const links: Check = {
  name: 'links',
  looksAt: 'No link of weft is left that no port stands for, here and in the namespaces of /run/netns.',
  ofNetwork: true,
  examine({ native, daemon, machine }) {
    if ('problem' in native) return [skipped('the addon cannot be loaded')];
    const here = native.links(null).map((link) => ({ link, netns: null as string | null }));
    const names = machine.uid === 0 ? namespaces(machine) : [];
    const there = names.flatMap((netns) => {
      try {
        return native
          .links(join(namespaceDirectory, netns))
          .map((link) => ({ link, netns: netns as string | null }));
      } catch {
        // It is being removed, or is no namespace.
        return [];
      }
    });
    const tagged = [...here, ...there].flatMap((one) => {
      const [, host = '', port = ''] = /^weft:([^:]+):(.+)$/.exec(one.link.alias ?? '') ?? [];
      return host === '' ? [] : [{ ...one, host, port }];
    });
    if (daemon.state !== 'answers') {
      const waiting =
        tagged.length === 0
          ? 'there is none'
          : `${tagged.length} wait for weftd, which takes them over when it starts`;
      return [ok(waiting)];
    }
    const { host } = daemon.status;
    const ports = new Set(daemon.ports.map(({ id }) => id));
    const complaints = tagged.flatMap((one): Verdict[] => {
      // Those in other namespaces may be of another weftd of this machine, which is away just now.
      if (one.host !== host.id) return one.netns === null && !one.link.carrier ? [foreign(one)] : [];
      return ports.has(one.port) ? [] : [stray(one)];
    });
    const own = tagged.filter((one) => one.host === host.id).length;
    const unseen = machine.uid === 0 ? '' : ', as far as this user sees';
    return complaintsOr(bounded(complaints), `${own} belong to ports, and none is left over${unseen}`);
  },
};

function namespaces(machine: Facts['machine']): string[] {
  try {
    return machine.list(namespaceDirectory).slice(0, mostNamespaces);
  } catch {
    return [];
  }
}

interface Found {
  link: Link;
  netns: string | null;
}

function removal({ link: { ifname }, netns }: Found): string {
  return `"ip ${netns === null ? '' : `-n ${forShell(netns)} `}link del ${forShell(ifname)}"`;
}

/** One word of a command line that is to be typed. In its namespace a container gives a link any name, `$(reboot)` too. */
function forShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function place({ link: { ifname }, netns }: Found): string {
  return netns === null ? ifname : `${ifname} in namespace ${netns}`;
}

function stray(found: Found): Verdict {
  const message = `link ${place(found)} is left of a port that is no more`;
  return warning(message, `weftd removes it within seconds where it can; else by hand: ${removal(found)}.`);
}

function foreign(found: Found): Verdict {
  const message = `link ${place(found)} is left of a weftd with another host ID, such as one whose state was lost`;
  return warning(message, `weftd never touches it. When nobody needs it: ${removal(found)}.`);
}

export const dockerPlugin: Check = {
  name: 'docker',
  looksAt: "Docker finds weft: the plugin's socket is alive, and no file points elsewhere.",
  async examine({ machine, config, daemon }) {
    const socket =
      daemon.state === 'answers'
        ? daemon.status.docker.socket
        : config.docker.plugin === 'off'
          ? null
          : config.docker.plugin;
    if (socket === null) return [ok('the plugin is switched off (docker.plugin)')];
    const driver = (socket.split('/').at(-1) ?? '').replace(/\.sock$/, '');
    const files = specDirectories.flatMap((directory) =>
      specFileNames(driver).map((name) => join(directory, name)),
    );
    const complaints = files.flatMap((file): Verdict[] => {
      const content = contentOf(machine, file);
      if (content === null || content.includes(socket)) return [];
      return [
        warning(
          `${file} tells Docker another place of the plugin than ${socket}`,
          `Remove it: "rm ${file}", then "systemctl restart docker".`,
        ),
      ];
    });
    if (daemon.state === 'silent' && isSocket(machine, socket) && !(await isHeldBySystemd(machine, socket)))
      complaints.push(
        error(
          `nobody answers on ${socket}: every command of Docker that looks for a plugin waits for it, those about volumes too`,
          `Start weftd ("systemctl start weftd"), or remove the socket: "rm ${socket}".`,
        ),
      );
    return complaintsOr(complaints, `no file points elsewhere than ${socket}`);
  },
};

function contentOf(machine: Facts['machine'], file: string): string | null {
  try {
    return machine.read(file);
  } catch {
    return null;
  }
}

function isSocket(machine: Facts['machine'], path: string): boolean {
  try {
    return machine.stat(path).kind === 'socket';
  } catch {
    return false;
  }
}

/** With socket activation a request waits for weftd, which is then started by it. */
async function isHeldBySystemd(machine: Facts['machine'], socket: string): Promise<boolean> {
  const shown = await machine.run(
    ['systemctl', 'show', 'weft-docker.socket', '--property=ActiveState,Listen'],
    5,
  );
  return /^ActiveState=active$/m.test(shown?.stdout ?? '') && (shown?.stdout ?? '').includes(socket);
}
