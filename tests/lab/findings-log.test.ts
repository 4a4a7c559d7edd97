/** The log has a finding when it comes and when it is over, and no line of it in the rounds between, however its sentence changes. */
import { beforeAll, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

let h1: Host;
let a: Guest;
let b: Guest;

beforeAll(async () => {
  const lab = await Lab.open();
  h1 = await lab.host('h1');
  a = await lab.guest('a');
  b = await lab.guest('b');
  // Nobody is at this address, and no more than 1450 bytes fit to it.
  await h1.start({ peers: ['10.77.0.99'], networks: { blue: { vni: 42, mtu: 1500 } } });
  await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24'], spoof: 'deny' });
  await h1.attach(b, 'blue', { addresses: ['10.42.0.2/24'] });
  return () => lab.close();
});

/** What the log says of findings, in its order: `CODE` where one comes, `over CODE` where it is over. */
const logged = () =>
  h1.log
    .split('\n')
    .filter((line) => line.includes('"finding"'))
    .map((line) => JSON.parse(line))
    .map(({ finding, msg }) => (msg.startsWith('over: ') ? `over ${finding}` : finding));

const message = async (code: string) =>
  (await h1.status()).findings.find((finding) => finding.code === code)?.message;
const found = (code: string) => until(`${code} is found`, () => message(code));
const over = (code: string) => until(`${code} is over`, async () => (await message(code)) === undefined);

const setLink = (state: 'up' | 'down') => b.namespace.ip('link', 'set', 'eth0', state);

it('that stay for many rounds are logged once, and again only when they were over', async () => {
  await found('MTU_DOES_NOT_FIT');
  await setLink('down');
  await found('PORT_DOWN');
  await a.namespace.ip('address', 'add', '10.42.0.66/24', 'dev', 'eth0');
  let last: string | undefined;
  // Each sentence is that of another round.
  for (let sentences = 0; sentences < 3; sentences++)
    last = await until('more is refused', async () => {
      await a.namespace.attempt([
        'ping',
        '-q',
        '-n',
        '-c',
        '1',
        '-W',
        '0.2',
        '-I',
        '10.42.0.66',
        '10.42.0.2',
      ]);
      const now = await message('PORT_REFUSED');
      return now !== last && now;
    });
  expect(logged()).toEqual(['MTU_DOES_NOT_FIT', 'PORT_DOWN', 'PORT_REFUSED']);

  await setLink('up');
  await over('PORT_DOWN');
  await setLink('down');
  await found('PORT_DOWN');
  expect(logged().slice(3)).toEqual(['over PORT_DOWN', 'PORT_DOWN']);
});
