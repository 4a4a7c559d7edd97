import { describe, expect, it } from 'vitest';
import { parseCounterLines, parseCounterPairs, parseFailedAddresses, parseUdpSockets } from './proc_net.js';

describe('/proc/net', () => {
  it('udp and udp6 give address, port, inode and drops of each socket', () => {
    const text = [
      '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
      ' 1053: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 20601 2 00000000 12',
      '  512: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 00000000 0',
      ' cut off',
      '  513: 000000FD00000000000000000100000A:2118 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 77 2 0 3',
      '',
    ].join('\n');
    expect(parseUdpSockets(text)).toEqual([
      { address: '127.0.0.1', port: 53, inode: 20601, drops: 12 },
      { address: '0.0.0.0', port: 4789, inode: 0, drops: 0 },
      { address: 'fd00:0:0:0:0:0:a00:1', port: 8472, inode: 77, drops: 3 },
    ]);
    expect(parseUdpSockets('')).toEqual([]);
  });

  it('snmp and netstat give counters by name', () => {
    const text = 'Ip: Forwarding DefaultTTL\nIp: 1 64\nUdp: InDatagrams InCsumErrors\nUdp: 10 3\n';
    expect(parseCounterPairs(text)).toEqual(
      new Map([
        ['Ip.Forwarding', 1],
        ['Ip.DefaultTTL', 64],
        ['Udp.InDatagrams', 10],
        ['Udp.InCsumErrors', 3],
      ]),
    );
    expect(parseCounterLines('Udp6InErrors                    \t7\nrubbish\n')).toEqual(
      new Map([['Udp6InErrors', 7]]),
    );
  });

  it('if_inet6 gives the addresses of which a duplicate was found', () => {
    const text =
      'fe800000000000000000000000000001 02 40 20 80     eth0\nfd770000000000000000000000000001 03 40 00 88     eth1\n';
    expect(parseFailedAddresses(text)).toEqual([
      { address: 'fd77:0:0:0:0:0:0:1', prefix: 64, ifname: 'eth1' },
    ]);
  });
});
