/** `npm run deb`: the package itself, and its life on a host with systemd. */
import { copyFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkout } from '../../lab/checkout.js';
import { attempt } from '../../lab/command.js';
import type { Guest } from '../../lab/guest.js';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';
import { bringCheckout, ownCheckout, written } from './installed.js';

let lab: Lab;
let h1: SystemdHost;
let web: Guest;
let before: string[];
const packages = new Map<string, string>();

/** As `npm run deb` does; `compress` is what takes the time. */
async function build(version: string, compress: 'gzip' | 'none'): Promise<void> {
  const words = [
    '--no-build',
    '--compress',
    compress,
    '--version',
    version,
    '--output',
    join(lab.dir, version),
  ];
  const { status, stdout, stderr } = await attempt([`${checkout}/scripts/deb`, ...words], {
    timeout: 110,
    env: { SOURCE_DATE_EPOCH: '1767225600' },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('weft: ') });
  const [file = ''] = readdirSync(join(lab.dir, version));
  expect(stdout).toContain(`/${file}`);
  packages.set(version, join(lab.dir, version, file));
}

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.systemdHost('h1');
  web = await h1.guest('web');
  await h1.guest('db');
  await build('0.8.0', 'gzip');
  await build('0.9.0', 'none');
});
afterAll(() => lab?.close());

const settings = { timeout: 110, env: { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' } };
const apt = (...words: string[]) => h1.attempt(['apt-get', '-y', '-q', ...words], settings);

async function installed(version: string): Promise<string> {
  const file = packages.get(version) ?? '';
  copyFileSync(file, h1.path(`/root/${basename(file)}`));
  const { status, stdout, stderr } = await apt('install', `/root/${basename(file)}`);
  await h1.exec('rm', `/root/${basename(file)}`);
  expect({ status, stdout, stderr }).toMatchObject({
    status: 0,
    stderr: expect.not.stringMatching(/weft|rror/),
  });
  return stdout;
}

const added = () => written(h1).filter((line) => !before.includes(line));
const reaches = async () => {
  await web.namespace.run(['ping', '-c', '1', '-W', '5', '10.42.0.2']);
};

describe('weft_VERSION_ARCHITECTURE.deb', () => {
  it('finds no fault with lintian', async () => {
    const words = ['lintian', '--allow-root', '--fail-on', 'error,warning', packages.get('0.8.0') ?? ''];
    const { status, stdout } = await attempt(words, { timeout: 280 });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  }, 300_000);

  it('has the same bytes when it is made again', async () => {
    const sum = async () => (await attempt(['sha256sum', packages.get('0.9.0') ?? ''])).stdout;
    const first = await sum();
    await build('0.9.0', 'none');
    expect(await sum()).toBe(first);
  });

  it('has manual pages without a fault', async () => {
    const pages = readdirSync(`${checkout}/docs/man`).map((name) => `${checkout}/docs/man/${name}`);
    for (const page of pages) {
      const { stderr } = await attempt(['man', '--warnings', '--local-file', page]);
      expect(stderr).toBe('');
    }
    const { stdout } = await attempt(['mandoc', '-T', 'lint', '-W', 'warning', ...pages]);
    // The pages have no date, so that they change only with what they say.
    expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
  });

  it('has no file that only builds or tests', async () => {
    const { stdout } = await attempt(['dpkg-deb', '--contents', packages.get('0.8.0') ?? '']);
    const paths = stdout.split('\n').map((line) => / (\.\/\S*)/.exec(line)?.[1] ?? '');
    expect(paths).toContain('./usr/bin/weft');
    expect(
      paths.filter((path) =>
        /\.(test\.js|d\.ts|map|cc|h)$|\/(vitest|typescript|daemon\/[a-z/]*testing)\//.test(path),
      ),
    ).toEqual([]);
  });
});

describe('on a host', () => {
  it('does not go over an installation from a checkout', async () => {
    await bringCheckout(h1);
    const script = [`${ownCheckout}/scripts/install-service`, '--no-build', '--no-start'];
    expect((await h1.attempt(script, { timeout: 100 })).status).toBe(0);
    copyFileSync(packages.get('0.8.0') ?? '', h1.path('/root/weft.deb'));
    const { status, stdout } = await apt('install', '/root/weft.deb');
    expect(status).toBe(100);
    expect(stdout).toContain('Remove that first: /usr/lib/weft/uninstall');
    await h1.exec('rm', '/root/weft.deb');
    await h1.exec('/usr/lib/weft/uninstall', '--purge');
    await h1.attempt(['dpkg', '--purge', 'weft']);
    await h1.exec('umount', ownCheckout);
    before = written(h1);
  });

  it('is installed and runs', async () => {
    await installed('0.8.0');
    expect(await h1.property('ActiveState')).toBe('active');
    expect(await h1.property('UnitFileState')).toBe('enabled');
    expect(await h1.property('ActiveState', 'weft-docker.socket')).toBe('active');
    expect((await h1.status()).version).toBe('0.8.0');
    await h1.exec('weft', 'network', 'create', 'blue', '--subnet', '10.42.0.0/24');
    await h1.attach('web', 'blue', { addresses: ['10.42.0.1/24'] });
    await h1.attach('db', 'blue', { addresses: ['10.42.0.2/24'] });
    await reaches();
    // No file of the package is another than it was made.
    expect(await h1.exec('dpkg', '--verify', 'weft')).toBe('');
  });

  it('refuses the checkout in its place', async () => {
    await bringCheckout(h1);
    const { status, stderr } = await h1.attempt([`${ownCheckout}/scripts/install-service`, '--no-build']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('installed here as a package'),
    });
    const other = await h1.attempt([`${ownCheckout}/scripts/uninstall-service`]);
    expect({ status: other.status, stderr: other.stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('apt-get remove weft'),
    });
    // As after an upgrade that was broken off.
    const halfway = '/^Package: weft$/,/^$/s/^Status: .*/Status: install ok half-configured/';
    await h1.exec('sed', '-i', halfway, '/var/lib/dpkg/status');
    for (const name of ['install-service', 'uninstall-service'])
      expect((await h1.attempt([`${ownCheckout}/scripts/${name}`, '--dry-run'])).stderr).toContain(
        'installed here as a package',
      );
    await h1.exec('dpkg', '--configure', 'weft');
    await h1.exec('umount', ownCheckout);
  });

  it('is upgraded while it runs, and keeps an edited configuration', async () => {
    await h1.exec('sh', '-c', 'echo "log: { level: debug }" >>/etc/weft/weft.yaml');
    const { pid } = await h1.status();
    await installed('0.9.0');
    const status = await h1.status();
    expect(status.version).toBe('0.9.0');
    expect(status.pid).not.toBe(pid);
    expect((await h1.exec('ls', '/usr/lib/weft')).match(/^0\..*$/gm)).toEqual([
      expect.stringMatching(/^0\.9\.0-/),
    ]);
    expect(await h1.exec('tail', '-n', '1', '/etc/weft/weft.yaml')).toBe('log: { level: debug }\n');
    await reaches();
  });

  it('may be configured again and again', async () => {
    await h1.exec('dpkg-reconfigure', '--frontend', 'noninteractive', 'weft');
    expect(await h1.property('ActiveState')).toBe('active');
    await reaches();
  });

  it('lets a running weftd go on whose configuration the new version refuses', async () => {
    const { pid } = await h1.status();
    await h1.exec('sh', '-c', 'echo "peer: []" >>/etc/weft/weft.yaml');
    const { status, stdout, stderr } = await h1.attempt(['dpkg-reconfigure', 'weft'], settings);
    expect(status).toBe(0);
    expect(stdout + stderr).toContain('the running weftd was not restarted');
    expect((await h1.status()).pid).toBe(pid);
    await h1.exec('sed', '-i', '$d', '/etc/weft/weft.yaml');
  });

  it('is removed with the interfaces of its ports, and its settings stay', async () => {
    const { status } = await apt('remove', 'weft');
    expect(status).toBe(0);
    expect(await web.namespace.ip('-br', 'link')).not.toContain('eth0');
    expect((await h1.attempt(['pgrep', '-f', '/usr/lib/weft/'])).stdout).toBe('');
    expect(await h1.exec('tail', '-n', '1', '/etc/weft/weft.yaml')).toBe('log: { level: debug }\n');
    await h1.exec('ls', '/var/lib/weft/journal');
    expect((await h1.attempt(['weft', '--version'])).status).not.toBe(0);
  });

  it('gives its place to the checkout, from which purging the package takes no state', async () => {
    await bringCheckout(h1);
    const script = [`${ownCheckout}/scripts/install-service`, '--no-build'];
    const { status, stdout } = await h1.attempt(script, { timeout: 100 });
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining('removed but not purged'),
    });
    expect((await h1.status()).networks).toBe(1);
    expect((await apt('purge', 'weft')).status).toBe(0);
    await h1.systemctl('restart', 'weftd.service');
    expect(await h1.property('UnitFileState')).toBe('enabled');
    expect((await h1.status()).networks).toBe(1);
    await h1.exec('getent', 'group', 'weft');
    await h1.exec('/usr/lib/weft/uninstall');
    await h1.exec('umount', ownCheckout);
  });

  it('comes back with what it knew', async () => {
    await installed('0.9.0');
    expect(await h1.property('UnitFileState')).toBe('enabled');
    expect((await h1.status()).networks).toBe(1);
  });

  it('leaves nothing when it is purged', async () => {
    const { status } = await apt('purge', 'weft');
    expect(status).toBe(0);
    expect(added()).toEqual([]);
    expect((await h1.attempt(['getent', 'group', 'weft'])).status).toBe(2);
    expect((await h1.attempt(['dpkg-query', '-W', 'weft'])).status).toBe(1);
  });
});
