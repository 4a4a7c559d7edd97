/** Control groups for the hosts that run container engines: one in every hierarchy of the machine, below that of this process. */
import {
  type Dirent,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { until } from './wait.js';

/** Makes a group of this name in every hierarchy and gives their directories. */
export function makeCgroups(name: string): string[] {
  return ownCgroups().map((own) => {
    const path = join(own, name);
    mkdirSync(path, { recursive: true });
    // A group of cpuset takes no process before it has processors and memory.
    if (existsSync(join(path, 'cpuset.cpus')) && existsSync(join(path, 'cgroup.clone_children'))) {
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        writeFileSync(join(path, file), readFileSync(join(own, file)));
      }
      writeFileSync(join(path, 'cgroup.clone_children'), '1');
    }
    return path;
  });
}

/** A command line that runs `argv` as a member of these groups. Its PID is that of `argv`. */
export function inCgroups(paths: readonly string[], argv: readonly string[]): string[] {
  const script = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"';
  return ['sh', '-ec', script, 'sh', ...paths, '--', ...argv];
}

/** Removes groups with what is below them, once their processes have ended. */
export async function removeCgroups(paths: readonly string[]): Promise<void> {
  await until(`the cgroups of ${basename(paths[0] ?? 'no host')} are empty`, () => {
    for (const path of paths) removeTree(path);
    return true;
  });
}

function removeTree(path: string): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) if (entry.isDirectory()) removeTree(join(path, entry.name));
  rmdirSync(path);
}

/** The directories of the groups that this process is in, one of each hierarchy that is mounted. */
function ownCgroups(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map(parseMount);
  return readFileSync('/proc/self/cgroup', 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [, controllers = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      const mount = mounts.find(({ type, options }) =>
        controllers === ''
          ? type === 'cgroup2'
          : type === 'cgroup' && controllers.split(',').every((one) => options.includes(one)),
      );
      if (mount === undefined) return [];
      const below = mount.root === '/' ? path : path.slice(mount.root.length);
      return [join(mount.point, below)];
    });
}

/** A line of /proc/self/mountinfo: see proc_pid_mountinfo(5). */
function parseMount(line: string): { root: string; point: string; type: string; options: string[] } {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , root = '', point = ''] = left.split(' ');
  const [type = '', , options = ''] = right.split(' ');
  return { root, point, type, options: options.split(',') };
}
