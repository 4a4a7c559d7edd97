/** A host without a fault, to be made sick by a test: files, programs and sockets as plain objects, and a weftd that answers. */
import type { Drop } from '../../api/schema.js';
import { blue, healthy, host2, web } from '../../cli/testing/samples.js';
import { ConfigSchema } from '../../config/schema.js';
import { FakeNative } from '../../datapath/fake_native.js';
import type { DaemonFacts, Facts, Target } from '../facts.js';
import type { FileFacts, Machine, Receiver, RunResult } from '../machine.js';
import { readCounters } from '../proc_net.js';

export function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: refused`), { code });
}

const udpHeader =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';

/** A line of /proc/net/udp. */
export function udpLine(port: number, inode: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ` 7: 00000000:${hex} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0000000000000000 0\n`;
}

const snmp = (errors: { checksum: number; receive: number; send: number }): string =>
  'Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors\n' +
  `Udp: 100 0 0 100 ${errors.receive} ${errors.send} ${errors.checksum}\n`;

export class SickHost implements Machine {
  uid = 0;
  kernel = '6.1.0-18-amd64';
  readonly files = new Map<string, string>([
    ['/proc/99/status', 'Name:\tweftd\nCapEff:\t000001ffffffffff\n'],
    [
      '/proc/99/limits',
      'Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 1024     files\n',
    ],
    ['/proc/99/comm', 'weftd\n'],
    ['/proc/net/udp', udpHeader + udpLine(4789, 5001)],
    ['/proc/net/udp6', udpHeader],
    ['/proc/net/if_inet6', 'fe800000000000000000000000000001 02 40 20 80     eth0\n'],
  ]);
  readonly directories = new Map<string, string[]>([
    ['/proc', ['1', '99', 'net', 'self']],
    ['/proc/99/fd', ['0', '1', '7']],
    ['/run/netns', []],
  ]);
  readonly symlinks = new Map<string, string>([
    ['/proc/99/fd/7', 'socket:[5001]'],
    ['/proc/99/ns/net', 'net:[4026531840]'],
    ['/proc/self/ns/net', 'net:[4026531840]'],
  ]);
  readonly stats = new Map<string, FileFacts>([
    ['/dev/net/tun', { kind: 'character device', mode: 0o666, uid: 0 }],
    ['/var/lib/weft', { kind: 'directory', mode: 0o700, uid: 0 }],
  ]);
  /** Why a path may not be opened, by its errno. */
  readonly denied = new Map<string, string>();
  freeBytes = 10 ** 10;
  freeInodes = 10 ** 6;
  /** First word and, where it matters, all words of a command line -> what it prints. */
  readonly programs = new Map<string, string | RunResult>();
  own = [
    { ifname: 'lo', address: '127.0.0.1' },
    { ifname: 'eth0', address: '10.99.0.1' },
  ];
  errors = { checksum: 0, receive: 0, send: 0 };
  reversePathDrops = 0;
  /** What happens to datagrams that this host sends to itself. */
  loopback: 'arrives' | 'lost' | 'half' | 'EPERM' = 'arrives';
  /** Ports that cannot be opened. */
  readonly taken = new Set<number>();
  /** unknown_peer of weftd. */
  strangers = 0;
  /** Whether a weft host answers a hello of so many bytes. */
  hello: (size: number) => boolean = () => true;
  /** What strangers send while one waits. */
  strangersPerWait = 0;
  wall = Date.parse('2026-01-01T12:00:00Z');
  ticks = 1000;
  /** By how much the wall clock goes wrong in each wait. */
  jump = 0;
  readonly native = new FakeNative();
  /** How often and how far each wait goes. */
  private readonly receivers: { port: number; received: number }[] = [];

  daemon: DaemonFacts | null = {
    status: structuredClone({ ...healthy, startedAt: '2026-01-01T11:00:00Z' }),
    health: { status: 'ok', reasons: [] },
    version: { version: '0.1.0', node: 'v20', kernel: '6.1.0', native: '0.0.0-fake' },
    peers: [{ ...host2, address: '10.99.0.2', endpoint: '10.99.0.2', port: 4789, state: 'active', idle: 1 }],
    ports: [web],
    networks: [blue],
  };
  properties: Map<string, string> | null = new Map([
    ...([
      ['LoadState', 'loaded'],
      ['ActiveState', 'active'],
      ['SubState', 'running'],
      ['UnitFileState', 'enabled'],
    ] as const),
    ...([
      ['Result', 'success'],
      ['NRestarts', '0'],
      ['MainPID', '99'],
      ['ExecMainStatus', '0'],
      ['NeedDaemonReload', 'no'],
    ] as const),
  ]);
  changes: Partial<Facts> = {};

  /** The API as far as checks ask it. */
  readonly api = {
    list: async <T extends object>(): Promise<T[]> => {
      const drop: Drop = {
        reason: 'unknown_peer',
        stage: 'ingress',
        fault: 'peer',
        sentence: '',
        count: this.strangers,
      };
      return [drop as T];
    },
    post: async <T extends object>(_path: string, body: object = {}): Promise<T> => {
      const { size } = body as { size: number };
      return { answered: this.hello(size), rtt: 1, error: null } as T;
    },
  };

  facts(): Facts {
    const targets: Target[] = (this.daemon?.peers ?? []).map((peer) => ({
      ...{ name: peer.address, address: peer.endpoint ?? '', port: peer.port, peer },
    }));
    return {
      machine: this,
      native: this.native,
      daemon:
        this.daemon === null
          ? { state: 'silent', reason: 'no weftd answers' }
          : { state: 'answers', ...this.daemon },
      clientVersion: '0.1.0',
      socket: '/run/weft/weft.sock',
      config: ConfigSchema.parse({ underlay: { addresses: ['10.99.0.1'] }, peers: ['10.99.0.2'] }),
      configFile: '/etc/weft/weft.yaml',
      configProblem: null,
      stateDir: '/var/lib/weft',
      service:
        this.properties === null
          ? { state: 'none', reason: 'this host is not run by systemd' }
          : { state: 'known', properties: this.properties },
      targets:
        targets.length > 0 ? targets : [{ name: '10.99.0.2', address: '10.99.0.2', port: 4789, peer: null }],
      start: { now: this.now(), monotonic: this.monotonic(), counters: readCounters(this) },
      elsewhere: false,
      ...this.changes,
    };
  }

  read(path: string): string {
    this.refuse(path);
    if (path === '/proc/net/snmp') return snmp(this.errors);
    if (path === '/proc/net/netstat')
      return `TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 0 ${this.reversePathDrops}\n`;
    const content = this.files.get(path);
    if (content === undefined) throw errno('ENOENT');
    return content;
  }

  async readBytes(path: string): Promise<Buffer> {
    return Buffer.from(this.read(path));
  }

  list(path: string): string[] {
    this.refuse(path);
    const entries = this.directories.get(path);
    if (entries === undefined) throw errno('ENOENT');
    return entries;
  }

  readLink(path: string): string {
    this.refuse(path);
    const target = this.symlinks.get(path);
    if (target === undefined) throw errno('ENOENT');
    return target;
  }

  stat(path: string): FileFacts {
    const found = this.stats.get(path);
    if (found === undefined) throw errno('ENOENT');
    return found;
  }

  space() {
    return { freeBytes: this.freeBytes, freeInodes: this.freeInodes, inodes: 10 ** 7 };
  }

  access(path: string): void {
    this.refuse(path);
  }

  async run(argv: readonly string[]): Promise<RunResult | null> {
    const said = this.programs.get(argv.join(' ')) ?? this.programs.get(argv[0] ?? '');
    if (said === undefined) return null;
    return typeof said === 'string' ? { status: 0, stdout: said, stderr: '' } : said;
  }

  addresses() {
    return this.own;
  }

  async sendDatagrams(_address: string, port: number, _payload: Uint8Array, count: number): Promise<void> {
    if (this.loopback === 'EPERM') throw errno('EPERM');
    const arrive = this.loopback === 'arrives' ? count : this.loopback === 'half' ? count / 2 : 0;
    this.strangers += arrive;
    for (const receiver of this.receivers) if (receiver.port === port) receiver.received += arrive;
  }

  async receive(_address: string, port: number): Promise<Receiver> {
    if (this.taken.has(port)) throw errno('EADDRINUSE');
    const receiver = { port, received: 0 };
    this.receivers.push(receiver);
    return {
      get received() {
        return receiver.received;
      },
      close: () => undefined,
    };
  }

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.ticks;
  }

  /** What happens while a check waits. */
  onWait: () => void = () => undefined;

  async wait(milliseconds: number): Promise<void> {
    this.ticks += milliseconds;
    this.wall += milliseconds + this.jump;
    this.strangers += this.strangersPerWait;
    this.onWait();
  }

  private refuse(path: string): void {
    const code = this.denied.get(path);
    if (code !== undefined) throw errno(code);
  }
}
