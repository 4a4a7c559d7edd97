/** The machine as the doctor sees it: files, programs, clocks and sockets. Nothing here changes anything. Tests have a fake one. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { networkInterfaces, release } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

export interface FileFacts {
  kind: 'file' | 'directory' | 'socket' | 'character device' | 'other';
  /** Permission bits. */
  mode: number;
  uid: number;
}

export interface Space {
  freeBytes: number;
  freeInodes: number;
  /** 0 where the file system has no table of them. */
  inodes: number;
}

export interface RunResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface Receiver {
  readonly received: number;
  close(): void;
}

export interface OwnAddress {
  ifname: string;
  address: string;
}

export interface Machine {
  readonly uid: number;
  /** Release of the kernel. */
  readonly kernel: string;
  /** These throw as node:fs does. */
  read(path: string): string;
  /** Rejects likewise; a disk that hangs keeps nobody but who waits for it. */
  readBytes(path: string): Promise<Buffer>;
  list(path: string): string[];
  readLink(path: string): string;
  stat(path: string): FileFacts;
  space(path: string): Space;
  /** Throws unless this process may read, or read and write it. */
  access(path: string, mode: 'read' | 'write'): void;
  /** Without a shell, ended after `seconds`. null when there is no such program. */
  run(argv: readonly string[], seconds?: number): Promise<RunResult | null>;
  /** Addresses of this network namespace, link-local and loopback ones too. */
  addresses(): OwnAddress[];
  /** Throws the errno of the first datagram that the kernel refuses. */
  sendDatagrams(address: string, port: number, payload: Uint8Array, count: number): Promise<void>;
  /** Throws when the port is taken. */
  receive(address: string, port: number): Promise<Receiver>;
  /** Milliseconds: of the wall clock, and of one that only goes forward, at its own pace. */
  now(): number;
  monotonic(): number;
  wait(milliseconds: number): Promise<void>;
}

/** Bytes of a program's output that are kept. */
const mostOutput = 4 * 1024 * 1024;

export const thisMachine: Machine = {
  uid: process.getuid?.() ?? 0,
  kernel: release(),
  read: (path) => readFileSync(path, 'utf8'),
  readBytes: (path) => readFile(path),
  list: (path) => readdirSync(path),
  readLink: (path) => readlinkSync(path),
  stat: (path) => {
    const found = lstatSync(path);
    return { kind: kindOf(found), mode: found.mode & 0o7777, uid: found.uid };
  },
  space: (path) => {
    const { bavail, bsize, ffree, files } = statfsSync(path);
    return { freeBytes: bavail * bsize, freeInodes: ffree, inodes: files };
  },
  access: (path, mode) =>
    accessSync(path, mode === 'read' ? constants.R_OK : constants.R_OK | constants.W_OK),
  run: (argv, seconds = 10) => runProgram(argv, seconds),
  addresses: () =>
    Object.entries(networkInterfaces()).flatMap(([ifname, all]) =>
      (all ?? []).map(({ address }) => ({ ifname, address })),
    ),
  sendDatagrams: async (address, port, payload, count) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    try {
      for (let sent = 0; sent < count; sent++) {
        await new Promise<void>((resolve, reject) =>
          socket.send(payload, port, address, (failure) => (failure === null ? resolve() : reject(failure))),
        );
      }
    } finally {
      socket.close();
    }
  },
  receive: async (address, port) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    let received = 0;
    socket.on('message', () => received++);
    try {
      socket.bind({ address, port, exclusive: true });
      await once(socket, 'listening');
    } catch (failure) {
      socket.close();
      throw failure;
    }
    return {
      get received() {
        return received;
      },
      close: () => void socket.close(),
    };
  },
  now: () => Date.now(),
  monotonic: () => performance.now(),
  wait: (milliseconds) => pause(milliseconds),
};

function kindOf(found: ReturnType<typeof lstatSync> & object): FileFacts['kind'] {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  if (found.isSocket()) return 'socket';
  return found.isCharacterDevice() ? 'character device' : 'other';
}

/** Where distributions keep what only root usually runs, too. An empty one would mean the working directory. */
const path = `${process.env.PATH || '/usr/bin:/bin'}:/usr/sbin:/sbin`;

async function runProgram(argv: readonly string[], seconds: number): Promise<RunResult | null> {
  const [program = '', ...words] = argv;
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, LC_ALL: 'C', SYSTEMD_PAGER: '', SYSTEMD_COLORS: '0' },
  });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (chunk: string) => {
      if (out[name].length < mostOutput) out[name] += chunk;
    });
  }
  // A timeout of spawn itself goes on when there is no such program, and keeps this process.
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  try {
    return await new Promise<RunResult | null>((resolve, reject) => {
      child.on('error', (failure: NodeJS.ErrnoException) =>
        failure.code === 'ENOENT' || failure.code === 'EACCES' ? resolve(null) : reject(failure),
      );
      child.on('close', (status) => resolve({ status, ...out }));
    });
  } finally {
    clearTimeout(timer);
  }
}
