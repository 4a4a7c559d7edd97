import { beforeEach, describe, expect, it } from 'vitest';
import type { Guest } from '../../lab/guest.js';
import { until } from '../../lab/wait.js';
import { openPair, type Pair } from './pair.js';

/** Whether an echo comes back within two seconds; of those lost at first there are many more. */
async function reachesSoon(guest: Guest, address: string): Promise<boolean> {
  const argv = ['ping', '-q', '-n', '-i', '0.05', '-c', '1', '-w', '2', address];
  return (await guest.namespace.attempt(argv)).status === 0;
}

describe('kill -9 and start again', () => {
  let pair: Pair;

  beforeEach(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  it('keeps links, addresses and declared entries, and an open TCP connection goes on', async () => {
    const { h1, a, b } = pair;
    await h1.weft('fdb', 'add', 'blue', '02:00:00:00:00:99', '--port', 'a');
    const identity = async () => ({
      ports: (await h1.ports()).map(({ id, name, ifname, mac, addresses, mtu }) => [
        id,
        name,
        ifname,
        mac,
        addresses,
        mtu,
      ]),
      link: await a.namespace
        .ip('-o', 'link', 'show', 'eth0')
        .then((text) => text.match(/^\d+: \S+|link\/ether \S+/g)),
      addresses: (await a.namespace.ip('-o', 'address', 'show', 'scope', 'global')).match(/inet6? \S+/g),
      declared: (await h1.fdb())
        .filter(({ type }) => type === 'static')
        .map(({ mac, where }) => [mac, where]),
    });
    const before = await identity();

    const received = async () => Number(await b.sys('statistics/rx_bytes'));
    const atFirst = await received();
    const bytes = 40_000_000;
    const stream = a.iperf(b, '10.42.0.2', '-b', '50M', '-n', `${bytes}`);
    let atKill = 0;
    const restart = async () => {
      await until('the stream flows', async () => (await received()) > atFirst + 2_000_000);
      await h1.kill();
      atKill = await received();
      await h1.start();
      expect(await reachesSoon(a, '10.42.0.2')).toBe(true);
      expect(await identity()).toEqual(before);
    };
    // Much of it arrives after the restart: the connection lived on. iperf3 ends when all is written, and leaves the last of it in buffers.
    await Promise.all([stream, restart()]);
    expect((await received()) - atFirst).toBeGreaterThan(0.9 * bytes);
    expect((await received()) - atKill).toBeGreaterThan(0.1 * bytes);
  });

  it('notices a namespace that died meanwhile, and serves the one that takes its name', async () => {
    const { lab, h1, a } = pair;
    const doomed = await lab.guest('doomed');
    const port = await h1.attach(doomed, 'blue', { addresses: ['10.42.0.7/24'] });
    await h1.kill();
    await doomed.namespace.remove();
    await h1.start();
    const state = async () => (await h1.ports()).find(({ id }) => id === port.id)?.state;
    await until('the port waits for its namespace', async () => (await state()) === 'waiting');
    expect((await h1.status()).findings.map(({ code }) => code)).toContain('NETNS_GONE');
    expect(await a.ping('10.42.0.2')).toBe(true);

    const successor = await lab.guest('doomed');
    await until('the port is up again', async () => (await state()) === 'up');
    expect(await successor.sys('address')).toBe(port.mac);
    await a.reach('10.42.0.7');
  });

  it('notices a namespace that dies while it runs', async () => {
    const { lab, h1, a } = pair;
    const doomed = await lab.guest('doomed');
    const port = await h1.attach(doomed, 'blue');
    await doomed.namespace.remove();
    await until('the port waits for its namespace', async () =>
      (await h1.ports()).some(({ id, state }) => id === port.id && state === 'waiting'),
    );
    expect(await a.ping('10.42.0.2')).toBe(true);
    await h1.weft('port', 'rm', port.id);
    expect((await h1.status()).findings).toEqual([]);
  });

  it('serves a process that lives on in a namespace without name, and lets go of it when it ends', async () => {
    const { lab, h1, a } = pair;
    const doomed = await lab.guest('nameless');
    const port = await h1.attach(doomed, 'blue', { addresses: ['10.42.0.9/24'] });
    const holder = h1.namespace.start(['ip', 'netns', 'exec', doomed.name, 'sleep', '600']);
    await until('it is in its namespace', async () =>
      (await lab.namespaces[0]?.run(['ip', 'netns', 'pids', doomed.name]))?.includes(`${holder.pid}`),
    );
    await h1.namespace.run(['ip', 'netns', 'del', doomed.name]);
    const seen = async () => (await h1.status()).findings.map(({ code }) => code);
    await until('the name is missed', async () => (await seen()).includes('NETNS_GONE'));
    await a.reach('10.42.0.9');
    const served = (await h1.ports()).find(({ id }) => id === port.id)?.state;
    holder.kill('SIGKILL');
    await until('the port waits for its namespace', async () =>
      (await h1.ports()).some(({ id, state }) => id === port.id && state !== served),
    );
  });

  it('lets a port that was given by PID die with its process', async () => {
    const { h1, a } = pair;
    const holder = h1.namespace.start(['unshare', '--net', 'sleep', '600']);
    const pid = `${holder.pid}`;
    const inHolder = ['nsenter', '--net', '--target', pid];
    // unshare and sleep are one process: the namespace is there when its command has become sleep.
    await until('the process is in its namespace', async () => {
      return (await h1.namespace.run(['cat', `/proc/${pid}/comm`])).trim() === 'sleep';
    });
    const port = JSON.parse(
      await h1.weft('--json', 'port', 'add', 'blue', '--netns', pid, '--address', '10.42.0.8/24'),
    ) as { id: string };
    await a.reach('10.42.0.8');
    expect(await h1.namespace.run([...inHolder, 'ip', '-br', 'address', 'show', 'eth0'])).toContain(
      '10.42.0.8/24',
    );
    holder.kill('SIGKILL');
    await until('the port is gone', async () => (await h1.ports()).every(({ id }) => id !== port.id));
  });

  it('keeps everything over an orderly stop, too', async () => {
    const { h1, a } = pair;
    const before = (await h1.ports()).map(({ id, mac }) => [id, mac]);
    expect(await h1.stop()).toBe(0);
    await h1.start();
    expect(await reachesSoon(a, '10.42.0.2')).toBe(true);
    expect((await h1.ports()).map(({ id, mac }) => [id, mac])).toEqual(before);
  });
});
