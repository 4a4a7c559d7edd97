/** What /proc/net tells, parsed. Lines that cannot be read are left out. */
import type { Machine } from './machine.js';

/** A UDP socket of this network namespace. */
export interface UdpSocket {
  /** Numeric; 0.0.0.0 or :: when it takes datagrams for any. */
  address: string;
  port: number;
  inode: number;
  /** Datagrams that found its buffer full. */
  drops: number;
}

/** /proc/net/udp and udp6. */
export function parseUdpSockets(text: string): UdpSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = ''] = fields;
      const [, hex = '', port = ''] = /^([0-9A-F]+):([0-9A-F]{4})$/i.exec(local) ?? [];
      if (hex === '' || fields.length < 13) return [];
      return [
        {
          address: addressOf(hex),
          port: Number.parseInt(port, 16),
          inode: Number(fields[9]),
          drops: Number(fields[12]),
        },
      ];
    });
}

/** The kernel prints 32-bit words in the byte order of the machine, which is little endian on all that weft runs on. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return words.every((word) => word === '0') ? '::' : words.join(':');
}

/** The counters of /proc/net/snmp and netstat: pairs of lines, names above values. */
export function parseCounterPairs(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '');
  const counters = new Map<string, number>();
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const [label = '', ...names] = (lines[index] ?? '').split(/\s+/);
    const [, ...values] = (lines[index + 1] ?? '').split(/\s+/);
    for (const [column, name] of names.entries())
      counters.set(`${label.replace(':', '')}.${name}`, Number(values[column] ?? 0));
  }
  return counters;
}

/** /proc/net/snmp6: `Udp6InErrors 0`. */
export function parseCounterLines(text: string): Map<string, number> {
  return new Map(
    text.split('\n').flatMap((line): [string, number][] => {
      const [name = '', value = ''] = line.split(/\s+/);
      return value === '' ? [] : [[name, Number(value)]];
    }),
  );
}

/** Own IPv6 addresses of which duplicate address detection found another holder (/proc/net/if_inet6, IFA_F_DADFAILED). */
export function parseFailedAddresses(text: string): { address: string; prefix: number; ifname: string }[] {
  const dadFailed = 0x08;
  return text.split('\n').flatMap((line) => {
    const [hex = '', , prefix = '', , flags = '', ifname = ''] = line.trim().split(/\s+/);
    if (hex.length !== 32 || (Number.parseInt(flags, 16) & dadFailed) === 0) return [];
    const address = (hex.match(/.{4}/g) ?? []).map((word) => word.replace(/^0{1,3}/, '')).join(':');
    return [{ address, prefix: Number.parseInt(prefix, 16), ifname }];
  });
}

/** Of all files; IPv6 ones are missing on a kernel without it. */
export function readCounters(machine: Pick<Machine, 'read'>): Map<string, number> {
  const files = [
    ['/proc/net/snmp', parseCounterPairs],
    ['/proc/net/netstat', parseCounterPairs],
    ['/proc/net/snmp6', parseCounterLines],
  ] as const;
  return new Map(
    files.flatMap(([file, parse]) => {
      try {
        return [...parse(machine.read(file))];
      } catch {
        return [];
      }
    }),
  );
}
