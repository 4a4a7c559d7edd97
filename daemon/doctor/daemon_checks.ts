/** The daemon itself: whether it answers, why not, and what it has found. */
import { asRoot, type Check, complaintsOr, error, ok, skipped, type Verdict, warning } from './check.js';
import type { Facts } from './facts.js';

/** Lines of the log that are shown. */
const logLines = 12;

export const daemonAnswers: Check = {
  name: 'daemon',
  looksAt: 'weftd answers on its socket, and its datapath makes progress; if not, the end of its log.',
  async examine(facts) {
    const { daemon, service } = facts;
    if (daemon.state === 'denied')
      return [
        skipped(
          daemon.reason,
          'Run it as root, or join the group "weft" ("usermod -aG weft USER", equivalent to root on this host).',
        ),
      ];
    if (daemon.state === 'silent') {
      const log = await endOfLog(facts);
      const runsUnit = service.state === 'known' && service.properties.get('LoadState') === 'loaded';
      const start = runsUnit ? '"systemctl start weftd"' : '"weftd"';
      const remedy = `Start it with ${start}, or name its socket with --socket or WEFT_SOCKET; what else is said here may tell why it does not run.`;
      return [error(daemon.reason, remedy, log)];
    }
    const { status, health } = daemon;
    if (health.status === 'failing') {
      const remedy =
        'Start it again ("systemctl restart weftd"), and please report it with what "weft report" wrote before.';
      return [error(`weftd fails: ${health.reasons.join('; ')}`, remedy, await endOfLog(facts))];
    }
    return [ok(`weftd ${status.version} answers, PID ${status.pid}`)];
  },
};

async function endOfLog({ machine, service }: Facts): Promise<string[]> {
  if (service.state === 'none') return [];
  const words = ['-u', 'weftd', '-n', String(logLines), '-o', 'cat', '--no-pager', '-q'];
  const read = await machine.run(['journalctl', ...words], 5);
  if (read === null || read.status !== 0) return [];
  return read.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `log: ${line.slice(0, 400)}`);
}

export const sameVersion: Check = {
  name: 'version',
  looksAt: 'weftd, its addon and this command are of one version.',
  examine({ daemon, clientVersion, native }) {
    const addon = 'problem' in native ? null : native.version;
    if ('problem' in native)
      return [
        error(
          native.problem,
          'Install weft again; in a checkout, build the addon with "npm run build". Without it the checks that probe are left out.',
        ),
      ];
    if (daemon.state !== 'answers') return [ok(`this command and its addon are ${clientVersion}`)];
    const { version } = daemon.status;
    if (version === clientVersion && addon === daemon.version.native) return [ok(`all are ${version}`)];
    const what =
      version === clientVersion
        ? `weftd has the addon ${daemon.version.native}, and ${addon} is installed`
        : `weftd is ${version}, and this command is ${clientVersion}`;
    return [warning(what, 'Start the installed one: "systemctl restart weftd". It takes over its ports.')];
  },
};

export const findings: Check = {
  name: 'findings',
  looksAt: 'What weftd itself has found, as at the end of `weft status`; those for information are left out.',
  examine({ daemon }) {
    if (daemon.state !== 'answers') return [skipped('weftd does not answer')];
    const complaints = daemon.status.findings.flatMap((one): Verdict[] => {
      if (one.severity === 'info') return [];
      const message = `${one.object}: ${one.message} (${one.code})`;
      return [{ result: one.severity, message, remedy: one.remedy, details: [] }];
    });
    return complaintsOr(complaints, 'weftd has found nothing wrong');
  },
};

export const configuration: Check = {
  name: 'configuration',
  looksAt: 'The configuration file can be read and has no mistake.',
  examine({ configProblem, configFile }) {
    if (configProblem === null) return [ok(`${configFile} has no mistake, or is not there`)];
    const { unreadable, message, details } = configProblem;
    if (unreadable) return [skipped(message, asRoot)];
    const remedy = `Correct it; "weft config check ${configFile}" says when it is right, and "weft reload" has it taken.`;
    return [error(message, remedy, details)];
  },
};

export const unit: Check = {
  name: 'service',
  looksAt:
    'systemd has weftd.service, starts it at boot, and did not have to give it up or start it again and again.',
  examine({ service, daemon }) {
    if (service.state === 'none') return [skipped(service.reason)];
    const of = (property: string): string => service.properties.get(property) ?? '';
    if (of('LoadState') !== 'loaded')
      return [skipped(`weftd.service is not installed here (${of('LoadState') || 'unknown'})`)];
    const complaints: Verdict[] = [];
    const state = `${of('ActiveState')} (${of('SubState')})`;
    if (of('ActiveState') === 'failed') {
      const remedy =
        '"journalctl -u weftd" says why; then "systemctl reset-failed weftd" and "systemctl start weftd".';
      complaints.push(
        error(`weftd.service has failed: ${of('Result')}, exit status ${of('ExecMainStatus')}`, remedy),
      );
    } else if (of('ActiveState') !== 'active' && daemon.state === 'silent') {
      complaints.push(error(`weftd.service is ${state}`, 'Start it: "systemctl start weftd".'));
    }
    const runsApart = daemon.state === 'answers' && Number(of('MainPID')) !== daemon.status.pid;
    if (runsApart && of('ActiveState') === 'active') {
      const message = `the weftd that answers has PID ${daemon.status.pid}, and that of weftd.service ${of('MainPID')}`;
      complaints.push(
        warning(message, 'One of the two is enough: "kill PID" ends the one that was started by hand.'),
      );
    }
    if (Number(of('NRestarts')) >= 3) {
      const message = `systemd had to start weftd again ${of('NRestarts')} times`;
      complaints.push(
        warning(message, '"journalctl -u weftd" says why it ended; please report it with "weft report".'),
      );
    }
    if (of('UnitFileState') === 'disabled')
      complaints.push(warning('weftd is not started at boot', 'Enable it: "systemctl enable weftd".'));
    if (of('NeedDaemonReload') === 'yes')
      complaints.push(
        warning(
          'the unit changed and systemd has the old one',
          '"systemctl daemon-reload", then "systemctl restart weftd".',
        ),
      );
    return complaintsOr(complaints, `weftd.service is ${state}`);
  },
};
