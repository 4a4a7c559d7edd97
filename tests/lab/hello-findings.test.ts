/** Mistakes of operators that only two hosts together can see. */
import { cpSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Finding } from '../../daemon/api/schema.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { until } from '../../lab/wait.js';
import { HelloForger } from './hello-forger.js';

let lab: Lab;
let h1: Host;
let h2: Host;

const findingsOf = async (host: Host, code: string): Promise<Finding[]> =>
  (await host.status()).findings.filter((one) => one.code === code);
const found = (host: Host, code: string) =>
  until(`${host.name} finds ${code}`, async () => (await findingsOf(host, code))[0], 60);
const over = (host: Host, code: string) =>
  until(`${code} of ${host.name} is over`, async () => (await findingsOf(host, code)).length === 0, 60);

beforeEach(async () => {
  lab = await Lab.open();
  h1 = await lab.host('h1');
  h2 = await lab.host('h2');
});
afterEach(() => lab.close());

it('networks that do not mean the same are found, named, and over when they do', async () => {
  const many = Object.fromEntries(
    Array.from({ length: 120 }, (_, index) => [`network-of-a-tenant-${index}`, { vni: 1000 + index }]),
  );
  await h1.start({
    peers: [h2.ipv4],
    networks: { ...many, blue: { vni: 42 }, red: { vni: 43 }, own: { vni: 9 } },
  });
  await h2.start({
    peers: [h1.ipv4],
    networks: { ...many, blue: { vni: 2042 }, green: { vni: 43 }, more: { vni: 8 } },
  });
  await found(h1, 'VNI_CLASH');
  const clashes = () => findingsOf(h1, 'VNI_CLASH');
  await until('both are found', async () => (await clashes()).length === 2);
  expect((await clashes()).map(({ object, message }) => [object, message])).toEqual(
    expect.arrayContaining([
      ['network blue', `network "blue" has VNI 42 here and 2042 at ${h2.ipv4}`],
      ['network red', `VNI 43 is network "red" here and "green" at ${h2.ipv4}`],
    ]),
  );
  await found(h2, 'VNI_CLASH');
  h2.configure({ peers: [h1.ipv4], networks: { ...many, blue: { vni: 42 }, red: { vni: 43 } } });
  await h2.weft('reload');
  await over(h1, 'VNI_CLASH');
  await over(h2, 'VNI_CLASH');
});

it('a host that was made as a copy of another is found, by itself and by a third', async () => {
  const h3 = await lab.host('h3');
  await h1.start({ peers: [h2.ipv4, h3.ipv4] });
  await h1.stop();
  cpSync(h1.stateDir, h2.stateDir, { recursive: true });
  await h1.start();
  await h2.start({ peers: [h1.ipv4, h3.ipv4] });
  await h3.start({ peers: [h1.ipv4, h2.ipv4] });
  expect((await found(h1, 'HOST_ID_CLONED')).message).toContain('has the host ID of this host');
  expect((await found(h2, 'HOST_ID_CLONED')).object).toBe(`peer ${h1.ipv4}`);
  expect((await found(h3, 'HOST_ID_CLONED')).message).toContain(
    `peers ${h1.ipv4} and ${h2.ipv4} are two hosts with one host ID`,
  );
});

it('one host that is two peers is found', async () => {
  await h1.start({ peers: [h2.ipv4, h2.ipv6] });
  await h2.start({ peers: [h1.ipv4, h1.ipv6] });
  expect((await found(h1, 'PEER_TWICE')).message).toBe(`peers ${h2.ipv4} and ${h2.ipv6} are one host`);
});

it('a peer that answers from another of its addresses is found', async () => {
  const second = h2.ipv4.replace(/\d+$/, '222');
  await h2.namespace.ip('address', 'add', `${second}/24`, 'dev', 'eth0');
  await h1.start({ peers: [second] });
  await h2.start({ peers: [h1.ipv4] });
  const { object, message } = await found(h1, 'PEER_ANSWERS_ELSEWHERE');
  expect([object, message]).toEqual([
    `peer ${second}`,
    `what is sent to ${second} is answered from ${h2.ipv4}`,
  ]);
  h2.configure({ peers: [h1.ipv4], underlay: { addresses: [second] } });
  await h2.weft('reload');
  await over(h1, 'PEER_ANSWERS_ELSEWHERE');
});

it('a peer of another version is told, and what it says is taken for a report and no more', async () => {
  await h1.start({ peers: [h2.ipv4], networks: { blue: { vni: 42 } } });
  const forger = await HelloForger.start(h2.namespace, [7, 8, 9]);
  try {
    expect((await found(h1, 'PEER_VERSION')).message).toMatch(/runs weft 7\.8\.9, this host \d/);
    const [peer] = await h1.peers();
    expect(peer).toMatchObject({ hello: { state: 'alive', version: '7.8.9' }, carryChecksum: false });
    // It has another digest, and no list; nobody waits for that.
    expect(await findingsOf(h1, 'VNI_CLASH')).toEqual([]);
  } finally {
    await forger.stop();
  }
});
