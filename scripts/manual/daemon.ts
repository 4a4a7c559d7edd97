/** weftd(8), out of the description of its command line. */
import { about, daemonOptions, signals } from '../../daemon/usage.js';
import { bold, entry, italic, manualPage, paragraph, prose, section, seeAlso } from './roff.js';

export function daemonPage(notice: string, version: string): string {
  const flag = ({ name, value }: (typeof daemonOptions)[number]) =>
    value === null ? bold(`--${name}`) : `${bold(`--${name}`)} ${italic(value)}`;
  const options = daemonOptions.map((option) => entry(flag(option), prose(capital(option.describe))));
  const page = { name: 'weftd', section: 8, purpose: 'virtual switch and VXLAN overlay daemon' } as const;
  return manualPage(page, notice, version, [
    section('SYNOPSIS', `${bold('weftd')} ${daemonOptions.map((one) => `[${flag(one)}]`).join(' ')}\n`),
    section(
      'DESCRIPTION',
      `${prose(about)}\n` +
        paragraph(
          prose(
            'weftd attaches to TAP devices in network namespaces, learns MAC addresses, and carries Ethernet frames to other hosts over ' +
              'VXLAN. It usually runs as weftd.service of systemd; weft-docker.socket is where Docker finds its network plugin.',
          ),
        ),
    ),
    section('OPTIONS', options.join('')),
    section('SIGNALS', `${prose(signals)}\n`),
    section(
      'EXIT STATUS',
      [
        entry(bold('0'), prose('It was stopped, or did what an option asked for.')),
        entry(
          bold('1'),
          prose('It failed; the sentence on standard error or in the journal says why and what to do.'),
        ),
        entry(bold('2'), prose('A mistake in the arguments or in the configuration file.')),
        entry(
          bold('5'),
          prose('A conflict, such as another weftd with the state directory or the UDP port.'),
        ),
        entry(
          bold('6'),
          prose(
            'Somebody has to act first: the state is damaged, of a newer version or of another machine, weftd may not do what it must, or ' +
              'something that it needs is not there, such as a kernel that is new enough.',
          ),
        ),
        paragraph(prose('systemd does not start weftd again after 2, 5 and 6.')),
      ].join(''),
    ),
    section(
      'ENVIRONMENT',
      [
        entry(bold('WEFT_SOCKET'), prose('The socket of the API, where --socket does not name one.')),
        entry(bold('NOTIFY_SOCKET'), prose('Where systemd is told of readiness and progress.')),
        entry(bold('LISTEN_FDS'), prose('Sockets and file descriptors that systemd passes on.')),
      ].join(''),
    ),
    section(
      'FILES',
      [
        entry(italic('/etc/weft/weft.yaml'), 'The configuration.\nSee \\fBweft.yaml\\fR(5).'),
        entry(
          italic('/var/lib/weft'),
          prose('Networks, ports, peers, addresses, and the identity of the host.'),
        ),
        entry(italic('/run/weft/weft.sock'), prose('The socket of the API, for root and the group weft.')),
        entry(italic('/run/docker/plugins/weft.sock'), prose('The socket of the plugin for Docker.')),
      ].join(''),
    ),
    seeAlso([
      { name: 'weft', section: 1 },
      { name: 'weft.yaml', section: 5 },
      { name: 'systemctl', section: 1 },
      { name: 'journalctl', section: 1 },
    ]),
  ]);
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
