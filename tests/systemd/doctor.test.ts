/** `weft doctor` on a host with systemd: a unit that is well, one that cannot start, and one that was never started. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Diagnosis, DiagnosisSchema } from '../../daemon/doctor/check.js';
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

async function examine(): Promise<{ all: Diagnosis[]; complaints: Diagnosis[] }> {
  const { stdout, stderr } = await h1.tryWeft(['--json', 'doctor'], { timeout: 150 });
  expect(stderr).toBe('');
  const all = DiagnosisSchema.array().parse(JSON.parse(stdout));
  // Nobody sets the clock of the lab.
  const complaints = all.filter(
    ({ check, result }) => check !== 'clock' && (result === 'error' || result === 'warning'),
  );
  return { all, complaints };
}

it('has no complaint of a unit that runs', async () => {
  await h1.systemctl('enable', 'weftd.service', 'weft-docker.socket');
  await h1.systemctl('start', 'weftd.service');
  const { all, complaints } = await examine();
  expect(complaints).toEqual([]);
  for (const check of ['service', 'capabilities', 'limits', 'udp-port', 'offloads', 'state', 'docker'])
    expect(all.find((one) => one.check === check)).toMatchObject({ check, result: 'ok' });
});

it('says why a unit does not start, with the end of its log', async () => {
  await h1.configure('underlay:\n  prot: 4789\n');
  await h1.attempt(['systemctl', 'restart', 'weftd.service']);
  await until('systemd has it failed, or waits to try again', async () =>
    ['failed', 'activating'].includes(await h1.property('ActiveState')),
  );
  const { complaints } = await examine();
  const of = (check: string) => complaints.find((one) => one.check === check);
  expect(of('daemon')?.details.join('\n')).toContain('WEFT_CONFIG');
  expect(of('service')?.message).toMatch(/^weftd.service (has failed: exit-code|is activating)/);
  expect(of('configuration')?.message).toContain('/etc/weft/weft.yaml:2:3: underlay.prot');
});

it('has a unit that was never started started', async () => {
  await h1.configure({ networks: { blue: { vni: 42 } } });
  await h1.systemctl('stop', 'weftd.service', 'weft-docker.socket');
  await h1.attempt(['systemctl', 'reset-failed', 'weftd.service']);
  await h1.systemctl('disable', 'weftd.service');
  const { complaints } = await examine();
  const messages = complaints.filter(({ check }) => check === 'service').map(({ message }) => message);
  expect(messages).toEqual(['weftd.service is inactive (dead)', 'weftd is not started at boot']);
  const [, command = ''] =
    /"([^"]+)"/.exec(complaints.find(({ check }) => check === 'daemon')?.remedy ?? '') ?? [];
  await h1.exec(...command.split(' '));
  expect((await h1.status()).networks).toBe(1);
});
