/** What weftd needs of this host: kernel, devices, capabilities, limits, clock, disk. */
import { errnoOf } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import { neededKernel } from '../requirements.js';
import { holdingsOfState } from '../state/backup.js';
import { asRoot, type Check, complaintsOr, error, ok, skipped, type Verdict, warning } from './check.js';
import type { Facts } from './facts.js';

export const kernel: Check = {
  name: 'kernel',
  looksAt: 'The kernel is new enough.',
  examine({ machine }) {
    const [major = 0, minor = 0] = machine.kernel.split('.').map((part) => Number.parseInt(part, 10));
    const needed = neededKernel.join('.');
    if (major > neededKernel[0] || (major === neededKernel[0] && minor >= neededKernel[1]))
      return [ok(`Linux ${machine.kernel}`)];
    const remedy = `Install a kernel ${needed} or later ("apt install linux-image-amd64" on Debian) and boot it.`;
    return [error(`Linux ${machine.kernel} is too old: weft needs ${needed} or later`, remedy)];
  },
};

const tunDevice = '/dev/net/tun';

export const tun: Check = {
  name: 'tun',
  looksAt: '/dev/net/tun is there and can be opened.',
  examine({ machine }) {
    const load =
      'Load the module: "modprobe tun". In a container, pass "--device /dev/net/tun --cap-add NET_ADMIN".';
    try {
      const { kind } = machine.stat(tunDevice);
      if (kind !== 'character device')
        return [
          error(
            `${tunDevice} is no device`,
            `Remove it ("rm ${tunDevice}") and load the module: "modprobe tun".`,
          ),
        ];
      machine.access(tunDevice, 'write');
      return [ok(`${tunDevice} can be opened`)];
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT') return [error(`there is no ${tunDevice}`, load)];
      if (machine.uid !== 0)
        return [skipped(`${tunDevice} may not be opened by this user (${code})`, asRoot)];
      return [error(`${tunDevice} cannot be opened: ${code}`, load)];
    }
  },
};

/** Bit of each capability (linux/capability.h), and what is missing without it. */
const capabilities = [
  { name: 'CAP_NET_ADMIN', bit: 12n, without: 'no TAP can be made', result: 'error' },
  {
    name: 'CAP_SYS_ADMIN',
    bit: 21n,
    without: 'no port can be in another network namespace',
    result: 'error',
  },
  {
    name: 'CAP_SYS_PTRACE',
    bit: 19n,
    without: 'the namespace of another process cannot be found by its PID',
    result: 'warning',
  },
  {
    name: 'CAP_DAC_READ_SEARCH',
    bit: 2n,
    without: 'a namespace below a directory of another user cannot be found',
    result: 'warning',
  },
] as const;

export const capabilityCheck: Check = {
  name: 'capabilities',
  looksAt: 'weftd has the capabilities that it needs.',
  examine({ daemon, machine, service }) {
    const remedy =
      'Run weftd as root or by its unit, whose "CapabilityBoundingSet=" names them: "systemctl cat weftd" shows what is in force, "systemctl edit weftd" changes it.';
    if (daemon.state === 'answers') {
      const effective = effectiveOf(machine.read(`/proc/${daemon.status.pid}/status`));
      if (effective === null) return [skipped('the kernel does not tell them')];
      const missing = capabilities.filter(({ bit }) => ((effective >> bit) & 1n) === 0n);
      return complaintsOr(
        missing.map(({ name, without, result }) => ({
          ...{ result, remedy, details: [] },
          message: `weftd lacks ${name}: ${without}`,
        })),
        'weftd has all that it needs',
      );
    }
    const bounding = service.state === 'known' ? (service.properties.get('CapabilityBoundingSet') ?? '') : '';
    if (bounding === '') return [skipped('weftd does not run')];
    const allowed = new Set(bounding.toUpperCase().split(/\s+/));
    const missing = capabilities.filter(({ name }) => !allowed.has(name));
    return complaintsOr(
      missing.map(({ name, without, result }) => ({
        ...{ result, remedy, details: [] },
        message: `the unit does not let weftd have ${name}: ${without}`,
      })),
      'the unit lets weftd have all that it needs',
    );
  },
};

function effectiveOf(status: string): bigint | null {
  const [, hex] = /^CapEff:\s*([0-9a-f]+)$/m.exec(status) ?? [];
  return hex === undefined ? null : BigInt(`0x${hex}`);
}

/** What stays of the limit of open files, below which weftd may soon be refused one. */
const filesInReserve = 64;

export const limits: Check = {
  name: 'limits',
  looksAt: 'weftd may open enough files for its ports, and gets the socket buffers that it asks for.',
  examine({ daemon, machine }) {
    if (daemon.state !== 'answers') return [skipped('weftd does not answer')];
    const { pid } = daemon.status;
    const complaints: Verdict[] = [];
    const [, text = ''] = /^Max open files\s+(\S+)/m.exec(machine.read(`/proc/${pid}/limits`)) ?? [];
    const most = text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
    const open = openFiles(machine, pid);
    // A port has one file; while it is made, or its namespace is looked into, a few more.
    const needed = Math.max(open ?? 0, daemon.ports.length) + filesInReserve;
    if (needed > most) {
      const used = open === null ? `has ${daemon.ports.length} ports` : `has ${open} files open`;
      const remedy =
        'Raise it: "systemctl edit weftd" with "[Service]" and "LimitNOFILE=65536", then "systemctl restart weftd".';
      complaints.push(error(`weftd ${used} and may open ${most}: soon no port can be made`, remedy));
    }
    complaints.push(...bufferComplaints(machine, pid));
    const files = open === null ? 'open files' : `${open} of ${most} files open`;
    return complaintsOr(complaints, `${files}, and buffers as large as asked for`);
  },
};

function openFiles(machine: Facts['machine'], pid: number): number | null {
  try {
    return machine.list(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}

/** What native/io/underlay.cc asks for. */
const buffers = [
  { key: 'rmem_max', bytes: 16 << 20, what: 'receive' },
  { key: 'wmem_max', bytes: 8 << 20, what: 'send' },
] as const;

/** With CAP_NET_ADMIN, SO_RCVBUFFORCE and SO_SNDBUFFORCE pass these limits. */
function bufferComplaints(machine: Facts['machine'], pid: number): Verdict[] {
  const effective = effectiveOf(machine.read(`/proc/${pid}/status`));
  if (effective === null || ((effective >> 12n) & 1n) === 1n) return [];
  return buffers.flatMap(({ key, bytes, what }) => {
    const allowed = Number(machine.read(`/proc/sys/net/core/${key}`));
    if (allowed >= bytes) return [];
    const message = `the ${what} buffer of the VXLAN socket is ${allowed} bytes, where ${bytes} are wanted: bursts are lost`;
    return [
      warning(
        message,
        `Let weftd have CAP_NET_ADMIN, or raise the limit: "sysctl -w net.core.${key}=${bytes}".`,
      ),
    ];
  });
}

export const offloads: Check = {
  name: 'offloads',
  looksAt: 'The offloads of this kernel do what they promise, tried in a network namespace made for it.',
  examine({ native, daemon, machine }) {
    if ('problem' in native) return [skipped('the addon cannot be loaded')];
    if (machine.uid !== 0) return [skipped('only root can try them', asRoot)];
    const { offloads: faults, notTested } = native.probe();
    if (notTested !== null) return [skipped(`they could not be tried: ${notTested}`)];
    const remedy =
      'weftd does without, at the cost of CPU. Report it to whom the kernel comes from; another kernel may be right ("uname -r" tells which this is).';
    const broken = Object.entries(faults).flatMap(([name, fault]) =>
      fault === null || fault === 'not in this kernel'
        ? []
        : [warning(`${name} is broken: ${fault}`, remedy)],
    );
    const absent = Object.entries(faults).flatMap(([name, fault]) =>
      fault === 'not in this kernel' ? [name] : [],
    );
    // The daemon has tried them once, at its start.
    const since = daemon.state === 'answers' ? offSince(daemon.status.offloads, faults) : [];
    const healthy =
      absent.length === 0 ? 'all work' : `all work that this kernel has (not ${absent.join(', ')})`;
    return complaintsOr([...broken, ...since], healthy);
  },
};

function offSince(used: Record<string, string>, faults: Record<string, string | null>): Verdict[] {
  return Object.entries(faults).flatMap(([name, fault]) => {
    const told = used[name] ?? '';
    if (fault !== null || !told.startsWith('off: ') || /^off: \w+ is off/.test(told)) return [];
    const message = `weftd does without ${name} ("${told.slice(5)}" at its start), which works now`;
    return [warning(message, 'Have weftd try again: "systemctl restart weftd". It takes over its ports.')];
  });
}

/** Difference in milliseconds between two clocks within the time of a check; slewing makes far less. */
const longestJump = 250;

export const clock: Check = {
  name: 'clock',
  looksAt:
    'The clock does not jump, did not go back behind the start of weftd, and is synchronised, as far as the kernel tells.',
  async examine({ machine, daemon, service, start }) {
    const complaints: Verdict[] = [];
    const remedy =
      'Have one program set the clock, and slowly: "timedatectl timesync-status" or "chronyc tracking" tells of it.';
    const elapsed = machine.monotonic() - start.monotonic;
    const jump = Math.round(machine.now() - start.now - elapsed);
    if (Math.abs(jump) > longestJump)
      complaints.push(
        warning(`the clock jumped by ${jump} ms within ${Math.ceil(elapsed / 1000)} s`, remedy),
      );
    if (daemon.state === 'answers') {
      const ahead = Date.parse(daemon.status.startedAt) - machine.now();
      if (ahead > longestJump) {
        const message = `weftd was started ${Math.round(ahead / 1000)} s in the future: the clock went back since, and times in logs and leases are wrong`;
        complaints.push(
          warning(message, `${remedy} "systemctl restart weftd" then counts from the right time.`),
        );
      }
    }
    const synchronised = service.state === 'none' ? null : await isSynchronised(machine);
    if (synchronised === false) {
      const message = 'nothing keeps the clock right: times in the logs of several hosts cannot be compared';
      complaints.push(
        warning(message, 'Have it synchronised: "timedatectl set-ntp true", or install chrony.'),
      );
    }
    const healthy =
      synchronised === true
        ? 'it is synchronised and did not jump'
        : 'it did not jump; whether it is synchronised cannot be told';
    return complaintsOr(complaints, healthy);
  },
};

async function isSynchronised(machine: Facts['machine']): Promise<boolean | null> {
  const shown = await machine.run(['timedatectl', 'show', '--property=NTPSynchronized,NTP'], 5);
  const value = /^NTPSynchronized=(yes|no)$/m.exec(shown?.stdout ?? '')?.[1];
  return value === undefined ? null : value === 'yes';
}

/** The state is written anew now and then beside what is there, and a Docker host makes many small changes; below this a person has to act soon. */
const leastBytes = 64 * 1024 * 1024;
const leastInodes = 1000;

export const state: Check = {
  name: 'state',
  looksAt:
    'The state directory can be written, only by root, and has room; while weftd does not answer, also that the state in it is whole.',
  async examine({ machine, stateDir, daemon, clientVersion }) {
    let found: ReturnType<Facts['machine']['stat']>;
    try {
      found = machine.stat(stateDir);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT' && daemon.state !== 'answers')
        return [ok(`${stateDir} is not there yet; weftd makes it`)];
      if (code === 'ENOENT')
        return [
          error(
            `${stateDir} is gone while weftd runs`,
            'Start weftd again ("systemctl restart weftd"); it makes the directory anew.',
          ),
        ];
      return [skipped(`${stateDir} cannot be looked at (${code})`, asRoot)];
    }
    if (found.kind !== 'directory')
      return [
        error(
          `${stateDir} is no directory`,
          `Move it away ("mv ${stateDir} ${stateDir}.old"), or name another by --state-dir.`,
        ),
      ];
    const complaints: Verdict[] = [];
    if ((found.mode & 0o022) !== 0)
      complaints.push(
        error(`others than root may write into ${stateDir}`, `Take that away: "chmod go-w ${stateDir}".`),
      );
    const { freeBytes, freeInodes, inodes } = machine.space(stateDir);
    const room = `Make room on its file system: "df -h ${stateDir}" and "df -i ${stateDir}" show it.`;
    if (freeBytes < leastBytes)
      complaints.push(error(`only ${Math.floor(freeBytes / 1024)} KiB are free for ${stateDir}`, room));
    if (inodes > 0 && freeInodes < leastInodes)
      complaints.push(error(`only ${freeInodes} inodes are free for ${stateDir}`, room));
    try {
      machine.access(stateDir, 'write');
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'EROFS')
        complaints.push(
          error(
            `the file system of ${stateDir} is read-only`,
            `"dmesg" says why; "mount -o remount,rw" of it makes it writable.`,
          ),
        );
      else if (machine.uid === 0)
        complaints.push(
          error(
            `root may not write into ${stateDir} (${code})`,
            `"ls -ld ${stateDir}" and "lsattr -d ${stateDir}" show what is in the way.`,
          ),
        );
    }
    if (daemon.state !== 'answers')
      complaints.push(...(await readingState(machine, stateDir, clientVersion)));
    return complaintsOr(complaints, `${stateDir} has ${Math.floor(freeBytes / 1024 ** 2)} MiB left`);
  },
};

/** As `weft state check` does. A weftd that answers has read it already. */
async function readingState(
  machine: Facts['machine'],
  stateDir: string,
  version: string,
): Promise<Verdict[]> {
  try {
    const { repaired } = await holdingsOfState(stateDir, version, {
      read: async (path) => {
        try {
          return await machine.readBytes(path);
        } catch (thrown) {
          if (errnoOf(thrown) === 'ENOENT') return null;
          throw thrown;
        }
      },
    });
    if (repaired === 0) return [];
    const message = `the disk gives back ${repaired} damaged line(s) of the state, whose second copy is whole`;
    return [warning(message, 'weftd puts them right when it is started; check the disk ("dmesg").')];
  } catch (thrown) {
    if (!(thrown instanceof WeftError)) throw thrown;
    const denied = ['EACCES', 'EPERM'].includes(errnoOf(thrown.cause) ?? '') && machine.uid !== 0;
    if (denied || thrown.code === 'WEFT_STATE_ABSENT') return [];
    return [error(`${thrown.message} (${thrown.code})`, thrown.remedy)];
  }
}
