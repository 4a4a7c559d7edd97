import { afterAll, beforeAll, expect, it } from 'vitest';
import { Lab } from '../../lab/lab.js';
import type { SystemdHost } from '../../lab/systemd-host.js';
import { until } from '../../lab/wait.js';

let lab: Lab;
let h1: SystemdHost;

beforeAll(async () => {
  lab = await Lab.open();
  h1 = await lab.systemdHost('h1');
  await h1.useCheckout();
  await h1.configure({ networks: { blue: { vni: 42 } } });
});
afterAll(() => lab?.close());

it('is ready when systemctl start returns', async () => {
  await h1.systemctl('enable', 'weftd.service', 'weft-docker.socket');
  await h1.systemctl('start', 'weftd.service');
  expect(await h1.property('ActiveState')).toBe('active');
  const { pid } = await h1.status();
  expect(await h1.property('MainPID')).toBe(`${pid}`);
  expect(await h1.journal()).toContain('weftd is ready');
});

it('starts at boot, with what it knew', async () => {
  const guest = await h1.guest('web');
  const { id } = await h1.attach('web', 'blue', { addresses: ['10.42.0.1/24'] });
  expect(await guest.namespace.ip('-br', 'address', 'show', 'eth0')).toContain('10.42.0.1/24');
  await h1.shutDown();
  await h1.powerOn();
  expect(await h1.property('ActiveState')).toBe('active');
  // The namespace is not: it comes back under its name, and the port with it.
  const again = await h1.guest('web');
  await until('the port is up again', async () =>
    (await h1.ports()).some((port) => port.id === id && port.state === 'up'),
  );
  expect(await again.namespace.ip('-br', 'address', 'show', 'eth0')).toContain('10.42.0.1/24');
});

it('runs with no more than it needs, and where it can write nothing else', async () => {
  const pid = await h1.property('MainPID');
  const status = await h1.exec('cat', `/proc/${pid}/status`);
  // CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN.
  const capabilities = (2n ** 2n) | (2n ** 12n) | (2n ** 19n) | (2n ** 21n);
  expect(status).toContain(`CapEff:\t${capabilities.toString(16).padStart(16, '0')}`);
  expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  expect(status).toMatch(/^Seccomp:\t2$/m);
  expect(await h1.exec('stat', '-c', '%U %G %a', '/run/weft/weft.sock')).toBe('root weft 660\n');
  const inside = (script: string) => h1.attempt(['nsenter', '-t', pid, '-m', '--', 'sh', '-c', script]);
  expect((await inside('touch /etc/weft/x')).stderr).toContain('Read-only file system');
  expect((await inside('touch /usr/x')).stderr).toContain('Read-only file system');
  expect((await inside('ls /dev/net/tun && touch /var/lib/weft/x && rm /var/lib/weft/x')).status).toBe(0);
});

it('is hardened to 3.0 or better, and its units are well-formed', async () => {
  const units = ['weftd.service', 'weft-docker.socket'].map((unit) => `/etc/systemd/system/${unit}`);
  const verified = await h1.attempt(['systemd-analyze', 'verify', ...units]);
  expect([verified.status, verified.stderr]).toEqual([0, '']);
  const analyzed = await h1.attempt([
    'systemd-analyze',
    'security',
    '--offline=yes',
    '--threshold=30',
    '--no-pager',
    units[0] ?? '',
  ]);
  expect([analyzed.status, analyzed.stdout]).toEqual([
    0,
    expect.stringMatching(/exposure level for weftd.service: [0-2]\.|: 3\.0/),
  ]);
});

it('reads its configuration again with systemctl reload, in the same process', async () => {
  const pid = await h1.property('MainPID');
  await h1.configure({ networks: { blue: { vni: 42 }, red: { vni: 43 } } });
  await h1.systemctl('reload', 'weftd.service');
  await until('red is there', async () => (await h1.networks()).some(({ name }) => name === 'red'));
  expect(await h1.property('MainPID')).toBe(pid);
  await h1.write('/etc/weft/weft.yaml', 'networks: 7');
  await h1.systemctl('reload', 'weftd.service');
  await until('it is refused', async () =>
    (await h1.status()).findings.some(({ code }) => code === 'CONFIG_REFUSED'),
  );
  expect(await h1.property('ActiveState')).toBe('active');
});

it('comes before others when processors or memory are scarce', async () => {
  expect(await h1.property('CPUWeight')).toBe('500');
  expect(await h1.property('OOMScoreAdjust')).toBe('-500');
  const pid = await h1.property('MainPID');
  expect((await h1.exec('ps', '-o', 'ni=', '-p', pid)).trim()).toBe('-10');
});

it('comes before Docker', async () => {
  for (const unit of ['weftd.service', 'weft-docker.socket'])
    expect((await h1.property('Before', unit)).split(' ')).toContain('docker.service');
});

it('is not started twice', async () => {
  const pid = await h1.property('MainPID');
  await h1.systemctl('start', 'weftd.service');
  expect(await h1.property('MainPID')).toBe(pid);
  // By hand, beside the service: it says who is there already.
  await h1.write('/tmp/empty.yaml', '{}');
  const { status, stderr } = await h1.attempt(['/usr/lib/weft/bin/weftd', '--config', '/tmp/empty.yaml']);
  expect([status, stderr]).toEqual([5, expect.stringContaining('WEFT_STATE_LOCKED')]);
  const elsewhere = [
    '--config',
    '/tmp/empty.yaml',
    '--state-dir',
    '/tmp/other',
    '--socket',
    '/tmp/other.sock',
  ];
  const other = await h1.attempt(['/usr/lib/weft/bin/weftd', ...elsewhere]);
  expect([other.status, other.stderr]).toEqual([5, expect.stringContaining('WEFT_VTEP_PORT_TAKEN')]);
  expect(await h1.property('ActiveState')).toBe('active');
});

it('boots while the address of its underlay is missing, and follows when it comes', async () => {
  const address = [`${h1.ipv4}/24`, 'dev', 'eth0'];
  await h1.configure({ networks: { blue: { vni: 42 } } });
  // As with DHCP: when weftd is started, the address is not there yet.
  await h1.write(
    '/etc/systemd/system/no-address.service',
    `[Unit]
     Before=weftd.service
     [Service]
     Type=oneshot
     ExecStart=ip address del ${address.join(' ')}
     [Install]
     WantedBy=multi-user.target
    `.replace(/^ +/gm, ''),
  );
  await h1.systemctl('enable', 'no-address.service');
  await h1.shutDown();
  await h1.powerOn();
  expect(await h1.property('ActiveState')).toBe('active');
  const codes = async () => (await h1.status()).findings.map(({ code }) => code);
  expect(await codes()).toContain('UNDERLAY_DEGRADED');
  await h1.exec('ip', 'address', 'add', ...address);
  await until('the underlay is complete', async () => !(await codes()).includes('UNDERLAY_DEGRADED'));
  expect(await h1.property('NRestarts')).toBe('0');
});

it('is ready when its ports forward, and not before', async () => {
  const web = await h1.guest('web');
  await h1.guest('db');
  await h1.attach('db', 'blue', { addresses: ['10.42.0.2/24'] });
  await until('the port that was there is up again', async () =>
    (await h1.ports()).every(({ state }) => state === 'up'),
  );
  await h1.systemctl('stop', 'weftd.service');
  await h1.systemctl('start', 'weftd.service');
  expect((await h1.ports()).map(({ state }) => state)).toEqual(['up', 'up']);
  await web.reach('10.42.0.2');
});

it('ends with systemctl stop in good order, and leaves the links of its ports', async () => {
  await h1.systemctl('stop', 'weftd.service');
  expect(await h1.property('Result')).toBe('success');
  expect(await h1.property('ExecMainStatus')).toBe('0');
  expect(await h1.journal()).toContain('weftd has stopped');
  expect(await h1.exec('ip', '-n', 'web', '-br', 'link', 'show', 'eth0')).toContain('eth0');
  expect((await h1.attempt(['ls', '/run/weft'])).status).not.toBe(0);
});
