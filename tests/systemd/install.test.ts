/** `npm run install-service` and `npm run uninstall-service` on a host with systemd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';
import { until } from '../../lab/wait.js';
import { bringCheckout, changeVersion, ownCheckout, written } from './installed.js';

let lab: Lab;
let h1: SystemdHost;
let web: Guest;
let db: Guest;
let before: string[];

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.systemdHost('h1');
  await bringCheckout(h1);
  web = await h1.guest('web');
  db = await h1.guest('db');
  before = written(h1);
});
afterAll(() => lab?.close());

const script = (name: string, words: readonly string[]) =>
  h1.attempt([`${ownCheckout}/scripts/${name}`, ...words], { timeout: 100 });

async function install(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await script('install-service', ['--no-build', ...words]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('weft:') });
  return stdout;
}

const added = () => written(h1).filter((line) => !before.includes(line));
const releases = async () =>
  (await h1.exec('ls', '/usr/lib/weft')).split('\n').filter((name) => /^\d/.test(name));
const links = (guest: Guest) => guest.namespace.ip('-br', 'link');
const reaches = async () => {
  await web.namespace.run(['ping', '-c', '1', '-W', '5', '10.42.0.2']);
};
const version = async () => (await h1.status()).version;

describe('install-service', () => {
  it('says what it would do, and does not', async () => {
    const plan = await install('--dry-run');
    expect(plan).toContain('/usr/share/man/man1/weft.1.gz\n');
    expect(plan).toContain('systemctl start weftd.service\n');
    expect(added()).toEqual([]);
  });

  it('explains itself, and refuses what it does not know', async () => {
    expect((await script('install-service', ['--help'])).stdout).toContain('--no-start');
    const { status, stderr } = await script('install-service', ['--no-strat']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('there is no option "--no-strat"'),
    });
  });

  it('wants systemd, or to be told that it boots later', async () => {
    const hidden = 'mount -t tmpfs none /run/systemd && exec "$@"';
    const argv = [`${ownCheckout}/scripts/install-service`, '--no-build'];
    const { status, stderr } = await h1.attempt(['unshare', '--mount', 'sh', '-c', hidden, 'sh', ...argv]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('systemd does not run this host, so nothing was changed'),
    });
    expect(added()).toEqual([]);
  });

  it('goes over no unit that an administrator has masked', async () => {
    await h1.systemctl('mask', 'weftd.service');
    const { status, stderr } = await script('install-service', ['--no-build']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('weftd.service is masked on this host, so nothing was changed'),
    });
    await h1.systemctl('unmask', 'weftd.service');
    expect(added()).toEqual([]);
  });

  it('installs without starting when told so, and without the socket when that is masked', async () => {
    await h1.systemctl('mask', 'weft-docker.socket');
    await install('--no-start');
    expect(await h1.property('ActiveState')).toBe('inactive');
    expect(await h1.property('UnitFileState')).toBe('enabled');
    await h1.systemctl('start', 'weftd.service');
    expect(await h1.property('ActiveState')).toBe('active');
  });

  it('leaves nothing behind but settings and state when taken away', async () => {
    expect((await h1.attempt(['/usr/lib/weft/uninstall'], { timeout: 60 })).status).toBe(0);
    await h1.systemctl('unmask', 'weft-docker.socket');
    expect(added().filter((line) => !/^(etc|var\/lib)\/weft\//.test(line))).toEqual([]);
    expect(added().map((line) => line.split(' ')[0])).toContain('etc/weft/weft.yaml');
  });

  it('starts a weftd that goes on without the checkout', async () => {
    expect(await install()).toContain('runs: weft status');
    // The checkout vanishes, and with it everything that a link might have led to.
    await h1.exec('umount', ownCheckout);
    await h1.systemctl('restart', 'weftd.service');
    expect(await h1.property('ActiveState')).toBe('active');
    await h1.exec('weft', 'network', 'create', 'blue', '--subnet', '10.42.0.0/24');
    await h1.attach('web', 'blue', { addresses: ['10.42.0.1/24'] });
    await h1.attach('db', 'blue', { addresses: ['10.42.0.2/24'] });
    await reaches();
    expect(await h1.exec('readlink', `/proc/${(await h1.status()).pid}/exe`)).toMatch(
      /^\/usr\/lib\/weft\/.*\/bin\/node\n$/,
    );
  });

  it('brings manual pages, completion, the group and the example', async () => {
    for (const page of ['weft', 'weft-port', 'weft.yaml', 'weftd']) await h1.exec('man', '-w', page);
    const complete =
      '. /usr/share/bash-completion/completions/weft && COMP_WORDS=(weft port "") COMP_CWORD=2 && _weft_yargs_completions && declare -p COMPREPLY';
    expect(await h1.exec('bash', '-c', complete)).toContain('inspect');
    expect(await h1.exec('stat', '-c', '%G %a', '/run/weft/weft.sock')).toBe('weft 660\n');
    expect(
      await h1.exec('weft', 'config', 'check', '/usr/share/doc/weft/examples/weft.example.yaml'),
    ).toContain(': ok');
    expect(
      await h1.exec('systemd-analyze', 'verify', '--man=yes', 'weftd.service', 'weft-docker.socket'),
    ).toBe('');
  });

  it('upgrades in place, and keeps what was edited', async () => {
    await h1.exec('sh', '-c', 'echo "log: { level: debug }" >>/etc/weft/weft.yaml');
    await bringCheckout(h1);
    await changeVersion(h1, '0.8.0');
    const old = await releases();
    await install();
    expect(await version()).toBe('0.8.0');
    expect(await releases()).toEqual([expect.stringMatching(/^0\.8\.0-/)]);
    expect(old).not.toEqual(await releases());
    expect(await h1.exec('tail', '-n', '1', '/etc/weft/weft.yaml')).toBe('log: { level: debug }\n');
    await reaches();
  });

  it('goes back to the version before when the new one does not become ready', async () => {
    await changeVersion(h1, '0.9.0');
    const failing = 's/return await startDaemon(/throw new Error("this one is broken"); &/';
    await h1.exec('sed', '-i', failing, `${ownCheckout}/dist/daemon/boot.js`);
    const { status, stderr } = await script('install-service', ['--no-build']);
    expect(status).toBe(1);
    expect(stderr).toContain('this one is broken');
    expect(stderr).toContain('weft: the new version does not become ready');
    expect(stderr).toMatch(/weft: going back to 0\.8\.0-/);
    expect(await version()).toBe('0.8.0');
    expect(await releases()).toEqual([expect.stringMatching(/^0\.8\.0-/)]);
    await reaches();
  });

  it('changes nothing when the new version refuses the configuration, or does not run at all', async () => {
    const { pid } = await h1.status();
    await h1.exec('sh', '-c', 'echo "peer: []" >>/etc/weft/weft.yaml');
    const refused = await script('install-service', ['--no-build']);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('this version refuses /etc/weft/weft.yaml, so nothing was changed');
    expect(refused.stderr).toContain('did you mean "peers"?');
    await h1.exec('sed', '-i', '$d', '/etc/weft/weft.yaml');
    await h1.exec('sh', '-c', `echo garbage >${ownCheckout}/dist/daemon/boot.js`);
    const broken = await script('install-service', ['--no-build']);
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain('the copy does not run here, so nothing was changed');
    expect((await h1.status()).pid).toBe(pid);
    expect(await releases()).toEqual([expect.stringMatching(/^0\.8\.0-/)]);
  });

  it('gives its place to no second one', async () => {
    const words = ['flock', '/usr/lib/weft/.lock', `${ownCheckout}/scripts/install-service`, '--no-build'];
    const { status, stderr } = await h1.attempt(words);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('another installation is under way'),
    });
    const removal = await h1.attempt(['flock', '/usr/lib/weft/.lock', '/usr/lib/weft/uninstall']);
    expect({ status: removal.status, stderr: removal.stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('an installation is under way'),
    });
  });
});

describe('uninstall-service', () => {
  it('takes the ports of a running weftd with it, and leaves the interfaces of others', async () => {
    await h1.exec('ip', '-n', 'web', 'tuntap', 'add', 'mine', 'mode', 'tap');
    expect(await links(web)).toContain('eth0');
    const { status, stdout } = await script('uninstall-service', []);
    expect(status).toBe(0);
    expect(stdout).toContain('what stays (--purge removes it): /etc/weft /var/lib/weft\n');
    expect(await links(web)).not.toContain('eth0');
    expect(await links(web)).toContain('mine');
    expect(await links(db)).not.toContain('eth0');
    expect(await h1.exec('tail', '-n', '1', '/etc/weft/weft.yaml')).toBe('log: { level: debug }\n');
  });

  it('gives the ports back to an installation that follows', async () => {
    await h1.exec('umount', ownCheckout);
    await bringCheckout(h1);
    await install();
    await until('the ports are up again', async () =>
      (await h1.ports()).every(({ state }) => state === 'up'),
    );
    await reaches();
  });

  it('takes away what a dead weftd has left, and with --purge everything', async () => {
    await h1.systemctl('stop', 'weft-docker.socket');
    // It does not come back, and leaves its socket and its interfaces.
    await h1.edit('weftd.service', '[Service]\nRestart=no\n');
    await h1.systemctl('kill', '--signal', 'KILL', 'weftd.service');
    await until('weftd is dead', async () => (await h1.property('ActiveState')) === 'failed');
    expect(await links(web)).toContain('eth0');
    const { status, stdout, stderr } = await h1.attempt(['/usr/lib/weft/uninstall', '--purge'], {
      timeout: 60,
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('weft: weft is gone\n');
    expect(await links(web)).not.toContain('eth0');
    expect(added()).toEqual([]);
    expect((await h1.attempt(['getent', 'group', 'weft'])).status).toBe(2);
    expect(await h1.exec('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'weft*')).toBe('');
    expect((await h1.attempt(['ls', '/run/weft', '/run/docker'])).stdout).toBe('');
  });

  it('takes away what an installation that broke off has put in place', async () => {
    await h1.exec('mkdir', '-p', '/usr/share/man/man8/weftd.8.gz/in-the-way');
    expect((await script('install-service', ['--no-build'])).status).toBe(1);
    await h1.exec('rm', '-r', '/usr/share/man/man8/weftd.8.gz');
    expect(added().map((line) => line.split(' ')[0])).toEqual(
      expect.arrayContaining(['usr/bin/weft', 'usr/share/man/man8/weftd.8.gz.weft-new']),
    );
    expect((await script('uninstall-service', ['--purge'])).status).toBe(0);
    expect(added()).toEqual([]);
  });

  it('finds nothing to do where nothing is', async () => {
    expect((await script('uninstall-service', ['--purge'])).status).toBe(0);
    expect(added()).toEqual([]);
  });
});
