import { afterEach, describe, expect, it, vi } from 'vitest';
import { completionCommand } from './help.js';
import { runCli } from './testing/run_cli.js';
import { commandTree, isGroup } from './tree.js';

const commandLines = commandTree.flatMap((entry) =>
  isGroup(entry)
    ? entry.commands.map((command) => ({ path: [entry.name, command.name], command }))
    : [{ path: [entry.name], command: entry }],
);

describe('--help', () => {
  it('names every command, the exit statuses and the environment', async () => {
    const { exit, stdout, stderr } = await runCli(['--help']);
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    for (const { name } of commandTree) expect(stdout).toContain(`  weft ${name} `);
    expect(stdout).toContain(`  weft ${completionCommand} `);
    for (const status of [
      '0  done',
      '1  failed',
      '2  usage',
      '3  the daemon',
      '4  not found',
      '5  conflict',
    ]) {
      expect(stdout).toContain(`  ${status}`);
    }
    expect(stdout).toContain('WEFT_SOCKET');
  });

  it.each(commandLines)('describes $path with an example', async ({ path, command }) => {
    const { exit, stdout } = await runCli([...path, '--help']);
    expect(exit).toBe(0);
    expect(stdout).toContain(`weft ${[...path.slice(0, -1), command.syntax].join(' ')}\n`);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(command.describe);
    expect(stdout).toMatch(new RegExp(`Examples:\\n {2}weft .*${path.join(' ')}`));
    for (const option of command.options) expect(stdout).toContain(`--${option} `);
  });

  it('fits the terminal', async () => {
    const { stdout } = await runCli(['port', 'add', '--help'], { tty: true });
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it.each([
    [['--help'], 'weft port add blue --netns c1 --address 10.42.0.2/24'],
    [['port', 'add', '--help'], 'weft port add blue --netns c1 --address 10.42.0.2/24'],
    [['peer', 'add', '--help'], 'weft peer add ovs.example --checksum zero --offload off'],
  ])('of %j has commands that can be copied', async (argv, line) => {
    const { stdout } = await runCli(argv, { tty: true });
    expect(stdout).toMatch(new RegExp(`^  ${line.replaceAll('.', '\\.')}\n {6}\\S`, 'm'));
  });

  it('prints the version', async () => {
    expect((await runCli(['--version'])).stdout).toMatch(/^weft \d+\.\d+\.\d+\n$/);
  });
});

describe('a usage error', () => {
  it.each([
    [[], 'a command is needed: status, ps, network,'],
    [['network'], '"network" needs a command: create, ls, inspect, rm'],
    [['stats'], 'there is no command "stats"; did you mean "status"?'],
    [['complete'], 'did you mean "completion"?'],
    [['xyzzy'], 'there is no command "xyzzy"; a command is needed: status,'],
    [['network', 'creat', 'x'], 'there is no command "network creat"; did you mean "create"?'],
    [['network', 'create'], '"network create" needs <name>'],
    [['fdb', 'rm'], '"fdb rm" needs <network> and <mac>'],
    [
      ['network', 'create', 'x', '--vnii', '3'],
      'there is no option "--vnii" for "network create"; did you mean "--vni"?',
    ],
    [['network', 'create', 'x', '--vnii=3'], 'did you mean "--vni"?'],
    [['status', '--jsn'], 'did you mean "--json"?'],
    [['status', '-x'], 'there is no option "-x" for "status"'],
    [['--sockt', '/x', 'status'], 'did you mean "--socket"?'],
    [['port', 'add', 'blue', 'eth0', 'more'], '"more" is one argument too many for "port add"'],
    [['status', 'now'], '"now" is one argument too many for "status"'],
    [['--socket', '/a', '--socket', '/b', 'status'], '--socket is given more than once'],
    [
      ['peer', 'set', '10.99.0.2', '--offload', 'off'],
      'there is no command "peer set"; "peer" needs a command: add, ls',
    ],
    [['port', 'set', 'web'], '"port set" needs --spoof'],
    [['port', 'set', 'web', '--mac', '02:00:00:00:00:01'], 'there is no option "--mac" for "port set"'],
    [['network', 'rm', 'x', '--no-force'], 'there is no option "--no-force"'],
  ])('%j', async (argv, message) => {
    const { exit, stdout, stderr } = await runCli(argv);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^weft: .* \(WEFT_USAGE\)\. See "weft( [a-z]+)* --help"\.\n$/);
  });

  it.each([
    [['stats'], 'weft'],
    [['network'], 'weft network'],
    [['network', 'creat', 'x'], 'weft network'],
    [['wait', '--timeout', '-3'], 'weft wait'],
    [['port', 'add', 'blue', '--name', '--x'], 'weft port add'],
    [['port', 'add', 'blue', '--nett', 'red'], 'weft port add'],
    [['peer', 'add', '10.99.0.2:8472', '--port', '8472'], 'weft peer add'],
    [['capture', 'web', '-c', '1', '-c', '2'], 'weft capture'],
  ])('of %j says whose help there is', async (argv, command) => {
    const { stderr } = await runCli(argv);
    expect(stderr).toMatch(new RegExp(`\\(WEFT_USAGE\\)\\. See "${command} --help"\\.\\n$`));
  });

  it('is JSON for --json', async () => {
    const { exit, stderr } = await runCli(['--json', 'stats']);
    expect(exit).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ code: 'WEFT_USAGE', remedy: 'See "weft --help".' });
  });

  it('takes no words behind -- for options', async () => {
    const inspect = ['--socket', '/nonexistent', 'network', 'inspect', '--'];
    expect((await runCli([...inspect, 'blue'])).stderr).toContain('weft: no weftd answers on /nonexistent');
    expect((await runCli([...inspect, '--json'])).stderr).toContain(
      'weft: "--json": no name starts with "-"',
    );
  });
});

describe('completion', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([
    ['/bin/bash', 'complete -o bashdefault -o default -F _weft_yargs_completions weft'],
    ['/usr/bin/zsh', '#compdef weft'],
  ])('prints a script for %s', async (shell, line) => {
    vi.stubEnv('SHELL', shell);
    const { exit, stdout } = await runCli(['completion']);
    expect(exit).toBe(0);
    expect(stdout).toContain(line);
    expect(stdout).toContain('weft --get-yargs-completions');
  });

  it('is described by --help, and may be the name of something', async () => {
    const { exit, stdout } = await runCli(['completion', '--help']);
    expect(exit).toBe(0);
    expect(stdout).toContain('weft completion\n\nPrint a script that completes commands');
    expect(stdout).not.toContain('_yargs_completions');
    const { stderr } = await runCli(['--socket', '/nonexistent', 'network', 'inspect', 'completion']);
    expect(stderr).toContain('no weftd answers');
    expect((await runCli([])).stderr).toContain(', completion (WEFT_USAGE)');
  });

  it.each([
    [[''], ['status', 'network', 'completion']],
    [
      ['network', ''],
      ['create', 'ls', 'inspect', 'rm'],
    ],
    [
      ['network', 'create', '--'],
      ['--vni', '--subnet', '--mtu', '--vlan', '--socket', '--json'],
    ],
    [
      ['network', 'create', '--vlan', ''],
      ['drop', 'pass'],
    ],
  ])('offers what can follow %j', async (words, offers) => {
    vi.stubEnv('SHELL', '/bin/bash');
    const { stdout } = await runCli(['--get-yargs-completions', 'weft', ...words]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(offers));
  });
});
