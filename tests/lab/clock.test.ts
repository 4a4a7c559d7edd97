/** A clock that jumps by a month while weftd runs: nothing expires, nothing waits, no frame is lost. libfaketime stands for who sets it. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { networks } from './pair.js';

let lab: Lab;
beforeEach(async () => {
  lab = await Lab.open();
});
afterEach(() => lab.close());

it.each([
  ['30 days forward', '+30d'],
  ['30 days back', '-30d'],
])('%s', async (_, jump) => {
  const [h1, h2] = [await lab.host('h1'), await lab.host('h2')];
  const [a, b] = [await lab.guest('a'), await lab.guest('b')];
  const offset = join(lab.dir, 'offset');
  const candidates = readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`);
  const library = candidates.find((path) => existsSync(path));
  expect(library, 'libfaketime is installed').toBeDefined();
  const set = (text: string) => writeFileSync(offset, `${text}\n`);
  set('+0');
  const wrapper = [
    'env',
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${offset}`,
    'FAKETIME_NO_CACHE=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ];
  await h1.start({ networks, peers: [h2.ipv4] }, { wrapper });
  await h2.start({ networks, peers: [h1.ipv4] });
  const port = await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24'] });
  await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24'] });
  await a.ping('10.42.0.2');
  const learned = async () =>
    JSON.parse((await h1.tryWeft(['--json', 'fdb', 'ls', 'blue'])).stdout).map(
      ({ mac }: { mac: string }) => mac,
    );
  const before = await learned();
  expect(before.length).toBeGreaterThan(1);
  /** Milliseconds since the epoch as the newest line of the log has them. */
  const logged = () => new Date(JSON.parse(h1.log.trim().split('\n').at(-1) ?? '{}').time).getTime();
  const began = logged();

  set(jump);
  await h1.tryWeft(['reload']);
  // weftd has seen the jump.
  await until('the log has the other time', () => Math.abs(logged() - began) > 20 * 86_400_000);
  for (let round = 0; round < 3; round++) await h1.tryWeft(['reload']);
  expect(await learned()).toEqual(expect.arrayContaining(before));
  await a.ping('10.42.0.2');
  await b.ping('10.42.0.1');
  expect((await h1.ports()).map(({ id, state }) => [id, state])).toEqual([[port.id, 'up']]);
  const { findings } = await h1.status();
  expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
  expect((await h1.status()).pid).toBe(h1.pid);
});
