import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { networks, openPair, type Pair } from './pair.js';

describe('reload', () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await openPair();
    return () => pair.lab.close();
  });

  it('applies the difference, and a port that did not change loses no frame', async () => {
    const { lab, h1, h2, a } = pair;
    const work = async () => {
      h1.configure({
        peers: [h2.ipv4],
        networks: { ...networks, green: { vni: 44 } },
        log: { level: 'debug' },
      });
      const said = await h1.weft('reload');
      expect(said).toContain('network "green" was added');
      const guest = await lab.guest('green');
      await h1.attach(guest, 'green');
      await h1.weft('port', 'rm', `eth0@${guest.name}`);

      h1.configure({ peers: [h2.ipv4], networks });
      expect(await h1.weft('reload')).toContain('network "green" was removed');
    };
    expect(await a.pingWhile('10.42.0.2', work())).toBe(1);
    expect((await h1.networks()).map(({ name }) => name).sort()).toEqual(['blue', 'red']);
  });

  it('obeys SIGHUP, and takes a peer away and back', async () => {
    const { h1, h2, a } = pair;
    h1.configure({ networks });
    h1.signal('SIGHUP');
    await until('the peer is gone', async () => (await h1.peers()).length === 0);
    expect(await a.ping('10.42.0.2', { count: 1 })).toBe(false);
    h1.configure({ peers: [h2.ipv4], networks });
    h1.signal('SIGHUP');
    await a.reach('10.42.0.2');
  });

  it('refuses a bad file, says where and why, and leaves the running one in force', async () => {
    const { h1, h2, a } = pair;
    const before = await h1.networks();
    h1.configure(`host: { name: h1 }\npeers: [${h2.ipv4}]\nnetworks:\n  blue: { vni: 42, colour: dark }\n`);
    const { status, stderr } = await h1.tryWeft(['reload']);
    expect(status).toBe(2);
    expect(stderr).toContain(`${h1.configFile}:4:`);
    expect(stderr).toContain('networks.blue.colour');
    expect(stderr).toContain('WEFT_CONFIG');
    h1.signal('SIGHUP');
    await until('the log says so', () => h1.log.includes('reload refused'));
    expect(await h1.networks()).toEqual(before);
    expect(await a.ping('10.42.0.2')).toBe(true);
  });
});
