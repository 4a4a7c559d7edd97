/** The command line of weftd as data: `weftd --help` and its manual page are made from it. */

export const about = 'Virtual switch and VXLAN overlay daemon. Runs in the foreground.';

interface DaemonOption {
  name: string;
  /** What stands for its value; null for a switch. */
  value: string | null;
  describe: string;
}

export const daemonOptions: readonly DaemonOption[] = [
  {
    name: 'config',
    value: 'FILE',
    describe: 'configuration; default /etc/weft/weft.yaml, which may be absent',
  },
  { name: 'state-dir', value: 'DIR', describe: 'what weftd remembers; default /var/lib/weft' },
  {
    name: 'socket',
    value: 'PATH',
    describe: 'socket of the API; default $WEFT_SOCKET, else /run/weft/weft.sock',
  },
  {
    name: 'remove-links',
    value: null,
    describe: 'remove the interfaces of all ports from their network namespaces instead; weftd must not run',
  },
  { name: 'version', value: null, describe: 'print the version' },
  { name: 'help', value: null, describe: 'print this' },
];

export const signals = 'SIGHUP reads the configuration again. SIGTERM and SIGINT stop weftd; ports stay.';

export function usage(): string {
  const flag = ({ name, value }: DaemonOption) => `--${name}${value === null ? '' : ` ${value}`}`;
  const width = Math.max(...daemonOptions.map((option) => flag(option).length));
  const rows = daemonOptions.map((option) => `  ${flag(option).padEnd(width)}  ${option.describe}\n`);
  const settings = daemonOptions.filter(({ value }) => value !== null).map((option) => `[${flag(option)}]`);
  return `Usage: weftd ${settings.join(' ')}\n\n${about}\n\n${rows.join('')}\n${signals}\n`;
}
