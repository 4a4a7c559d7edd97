/** Hosts whose underlays have different MTUs agree on what fits through a network. */
import { beforeAll, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';

const overhead = 50;
const wide = 1500;
const narrow = 1400;

let lab: Lab;
let h1: Host;
let h2: Host;
let a: Guest;
let b: Guest;

/** `blue` is `auto` on both hosts; `red` is declared on h1, where it is too large, and `green` on h2. */
const networksOf = (red: number | 'auto', green: number | 'auto') => ({
  blue: { vni: 42 },
  red: { vni: 43, mtu: red },
  green: { vni: 44, mtu: green },
});
const declared = { red: wide - overhead, green: 1300 };

const mtusOf = async (host: Host) =>
  Object.fromEntries((await host.networks()).map(({ name, mtu }) => [name, mtu.effective]));
const agreed = (mtus: Record<string, Record<string, number>>) =>
  until('the hosts agree', async () => {
    expect({ h1: await mtusOf(h1), h2: await mtusOf(h2) }).toEqual(mtus);
    return true;
  });
const guestsHave = (bytes: number) =>
  until('the guests have the MTU', async () => {
    const mtus = await Promise.all([a, b].map((guest) => guest.sys('mtu')));
    return mtus.every((mtu) => mtu.trim() === `${bytes}`);
  });
const differs = async (host: Host) =>
  (await host.status()).findings.filter(({ code }) => code === 'NETWORK_MTU_DIFFERS');

beforeAll(async () => {
  lab = await Lab.open({ underlayMtu: wide });
  h1 = await lab.host('h1');
  h2 = await lab.host('h2');
  a = await lab.guest('a');
  b = await lab.guest('b');
  await h2.namespace.ip('link', 'set', 'eth0', 'mtu', `${narrow}`);
  await h1.start({ peers: [h2.ipv4], networks: networksOf(declared.red, 'auto') });
  await h2.start({ peers: [h1.ipv4], networks: networksOf('auto', declared.green) });
  await h1.attach(a, 'blue', { addresses: ['10.42.0.1/24'] });
  await h2.attach(b, 'blue', { addresses: ['10.42.0.2/24'] });
  return () => lab.close();
});

it('the least that fits on any of them is the MTU on all, and a declared one that is larger is told of', async () => {
  const fits = narrow - overhead;
  await agreed({
    h1: { blue: fits, red: declared.red, green: declared.green },
    h2: { blue: fits, red: fits, green: declared.green },
  });
  await guestsHave(fits);
  expect(await a.ping('10.42.0.2', { size: fits - 28 })).toBe(true);
  expect(await b.ping('10.42.0.1', { size: fits - 28 })).toBe(true);
  await until('h1 tells of red', async () => (await differs(h1)).length > 0);
  expect((await differs(h1)).map(({ object, message }) => [object, message])).toEqual([
    [
      'network red',
      `its MTU is ${declared.red} here and ${fits} at peer ${h2.ipv4}, which drops larger packets`,
    ],
  ]);
  expect(await differs(h2)).toEqual([]);
});

it('it rises on all when the narrow underlay widens, and what was told of is over', async () => {
  await h2.namespace.ip('link', 'set', 'eth0', 'mtu', `${wide}`);
  const fits = wide - overhead;
  // What h1 has found to vanish, if it came to that, is tried again now and then; nobody waits for that here.
  await until('h1 has a path of all that', async () => {
    await h1.weft('peer', 'check', h2.ipv4);
    return (await h1.peers())[0]?.pathMtu === wide;
  });
  const all = { blue: fits, red: fits, green: declared.green };
  await agreed({ h1: all, h2: all });
  await guestsHave(fits);
  expect(await a.ping('10.42.0.2', { size: fits - 28 })).toBe(true);
  expect(await b.ping('10.42.0.1', { size: fits - 28 })).toBe(true);
  await until('it is over', async () => (await differs(h1)).length === 0);
});
