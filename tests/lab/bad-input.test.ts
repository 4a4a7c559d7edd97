import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Output } from '../../lab/command.js';
import type { Guest } from '../../lab/guest.js';
import type { Host } from '../../lab/host.js';
import { Lab } from '../../lab/lab.js';
import { networks } from './pair.js';

let lab: Lab;
let host: Host;

beforeEach(async () => {
  lab = await Lab.open();
  host = await lab.host('h1');
});
afterEach(() => lab.close());

function expectRefusal(output: Output, status: number, code: string, ...words: string[]): void {
  expect(output.stderr).toContain(code);
  for (const word of words) expect(output.stderr).toContain(word);
  expect(output.status).toBe(status);
}

describe('weftd that cannot start', () => {
  const start = (...wrapper: string[]) =>
    host.namespace.attempt([...wrapper, ...host.weftd], { timeout: 15 });
  const nothingWasMade = async () => {
    expect(existsSync(host.socket)).toBe(false);
    expect(await host.namespace.run(['ss', '-Hlun'])).not.toContain(`${host.ipv4}:4789`);
  };

  it.each([
    ['an unknown key', 'networks:\n  blue: { vni: 42, colour: dark }\n', ':2:', 'networks.blue.colour'],
    ['a wrong type', 'underlay:\n  port: many\n', ':2:', 'underlay.port'],
    ['one VNI twice', 'networks:\n  blue: { vni: 42 }\n  red: { vni: 42 }\n', ':3:', '42'],
    ['a name that is too long', `networks:\n  ${'n'.repeat(80)}: { vni: 42 }\n`, ':2:', 'networks'],
    ['no YAML at all', 'networks: {\n', ':2:', 'weft.yaml'],
  ])('because of %s names file, line and key', async (_, config, line, key) => {
    host.configure(config);
    expectRefusal(await start(), 2, 'WEFT_CONFIG', host.configFile + line, key);
    await nothingWasMade();
    const check = await host.tryWeft(['config', 'check', host.configFile]);
    expectRefusal(check, 2, host.configFile + line, key, 'mistake');
  });

  it('because its configuration is not there', async () => {
    expectRefusal(await start(), 1, 'WEFT_CONFIG_UNREADABLE', host.configFile);
    await nothingWasMade();
  });

  it('because of an unknown option', async () => {
    host.configure({});
    expectRefusal(await host.namespace.attempt([...host.weftd, '--colour']), 2, 'WEFT_USAGE');
  });

  it('because a vxlan device of the kernel has the port', async () => {
    host.configure({ networks });
    await host.namespace.ip(
      'link',
      'add',
      'vx0',
      'type',
      'vxlan',
      'id',
      '7',
      'dstport',
      '4789',
      'dev',
      'eth0',
    );
    await host.namespace.ip('link', 'set', 'vx0', 'up');
    expectRefusal(await start(), 5, 'WEFT_VTEP_PORT_TAKEN', '4789');
    expect(existsSync(host.socket)).toBe(false);
  });

  it('because another weftd has the port, the state, or the socket', async () => {
    await host.start({ networks });
    const neighbour = await lab.host('h2');
    neighbour.configure({ networks });
    const second = ({ namespace, configFile }: Host, stateDir: string, socket: string) =>
      namespace.attempt(
        [...host.weftd.slice(0, 2), '--config', configFile, '--state-dir', stateDir, '--socket', socket],
        { timeout: 15 },
      );
    const other = (name: string) => join(lab.dir, name);
    expectRefusal(await second(host, other('state'), other('sock')), 5, 'WEFT_VTEP_PORT_TAKEN', '4789');
    expectRefusal(
      await second(neighbour, host.stateDir, other('sock')),
      5,
      'WEFT_STATE_LOCKED',
      `${host.pid}`,
    );
    expectRefusal(await second(neighbour, other('state'), host.socket), 5, 'WEFT_SOCKET_TAKEN', host.socket);
    expect(existsSync(other('sock'))).toBe(false);
    expect((await host.status()).pid).toBe(host.pid);
  });

  it('because there is no /dev/net/tun', async () => {
    host.configure({ networks });
    const hide = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
    expectRefusal(await start(...hide), 6, 'WEFT_NO_TUN', 'modprobe tun');
    await nothingWasMade();
  });

  it('because it may not make network devices', async () => {
    host.configure({ networks });
    const output = await start('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin');
    expectRefusal(output, 6, 'WEFT_PERMISSION', 'CAP_NET_ADMIN');
    await nothingWasMade();
  });
});

describe('a port that cannot be made', () => {
  let guest: Guest;

  beforeEach(async () => {
    guest = await lab.guest('a');
  });
  const add = (...words: string[]) => host.tryWeft(['port', 'add', ...words]);
  const nothingWasMade = async () => {
    expect(await host.ports()).toEqual([]);
    expect((await guest.namespace.ip('-br', 'link')).trim().split('\n')).toHaveLength(1);
  };

  it('is refused with the reason and the documented status, and leaves nothing behind', async () => {
    await host.start({ networks });
    const netns = ['--netns', guest.name];
    expectRefusal(await add('green', ...netns), 4, 'WEFT_NETWORK_NOT_FOUND', 'green');
    expectRefusal(
      await add('blue', '--netns', 'weftlab-nowhere'),
      4,
      'WEFT_NETNS_NOT_FOUND',
      'weftlab-nowhere',
    );
    expectRefusal(await add('blue', '--netns', '/etc/passwd'), 4, 'WEFT_NETNS_NOT_FOUND', '/etc/passwd');
    expectRefusal(await add('blue', '--netns', '4194303'), 4, 'WEFT_NETNS_NOT_FOUND', '4194303');
    expectRefusal(await add('blue', 'a-name-that-is-too-long', ...netns), 2, 'WEFT_');
    expectRefusal(await add('blue', '--name', 'n'.repeat(200), ...netns), 2, 'WEFT_');
    expectRefusal(await add('blue', '--mac', '01:00:00:00:00:01', ...netns), 2, 'WEFT_');
    expectRefusal(await add('blue', '--address', '10.42.0.1/33', ...netns), 2, 'WEFT_');
    await guest.namespace.ip('link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth2');
    expectRefusal(await add('blue', 'eth1', ...netns), 5, 'WEFT_LINK_EXISTS', 'eth1');
    await guest.namespace.ip('link', 'del', 'eth1');
    await nothingWasMade();
  });

  it('is refused when its name, MAC or address is taken', async () => {
    await host.start({ networks });
    const other = await lab.guest('b');
    const first = await host.attach(guest, 'blue', { name: 'web', addresses: ['10.42.0.1/24'] });
    const netns = ['--netns', other.name];
    expectRefusal(await add('blue', '--netns', guest.name), 5, 'WEFT_PORT_EXISTS');
    expectRefusal(await add('blue', '--name', 'web', ...netns), 5, 'WEFT_PORT_EXISTS', 'web');
    expectRefusal(await add('blue', '--mac', first.mac, ...netns), 5, 'WEFT_MAC_IN_USE', first.mac);
    expectRefusal(
      await add('blue', '--address', '10.42.0.1/24', ...netns),
      5,
      'WEFT_ADDRESS_IN_USE',
      '10.42.0.1',
    );
    expect(await host.ports()).toHaveLength(1);
    expect((await other.namespace.ip('-br', 'link')).trim().split('\n')).toHaveLength(1);
  });

  it('is refused when weftd may not enter the namespace', async () => {
    const wrapper = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'];
    await host.start({ networks }, { wrapper });
    expectRefusal(await add('blue', '--netns', guest.name), 6, 'WEFT_PERMISSION', 'CAP_SYS_ADMIN');
    await nothingWasMade();
  });
});

describe('commands', () => {
  it('that make what is there, or remove what is not, end with the documented status', async () => {
    await host.start({ networks });
    expectRefusal(await host.tryWeft(['network', 'create', 'blue']), 5, 'WEFT_NETWORK_EXISTS', 'blue');
    expectRefusal(
      await host.tryWeft(['network', 'create', 'green', '--vni', '42']),
      5,
      'WEFT_VNI_IN_USE',
      'blue',
    );
    expectRefusal(await host.tryWeft(['network', 'create', 'n'.repeat(80)]), 2, 'WEFT_');
    expectRefusal(await host.tryWeft(['network', 'rm', 'blue']), 5, 'WEFT_NOT_OWNER');
    expectRefusal(await host.tryWeft(['network', 'rm', 'green']), 4, 'WEFT_NETWORK_NOT_FOUND');
    expect((await host.tryWeft(['network', 'rm', 'green', '--if-exists'])).status).toBe(0);
    expectRefusal(await host.tryWeft(['port', 'rm', 'web']), 4, 'WEFT_PORT_NOT_FOUND');
    expectRefusal(await host.tryWeft(['peer', 'rm', '10.77.0.9']), 4, 'WEFT_PEER_NOT_FOUND');
    expectRefusal(await host.tryWeft(['fdb', 'rm', 'blue', '02:00:00:00:00:01']), 4, 'WEFT_FDB_NOT_FOUND');
    expect((await host.networks()).map(({ name }) => name).sort()).toEqual(['blue', 'red']);
  });

  it('find no daemon, or a socket that they may not use', async () => {
    expectRefusal(await host.tryWeft(['status']), 3, 'WEFT_UNREACHABLE', host.socket);
    await host.start({ networks });
    await host.namespace.run(['chown', '65534:65534', host.socket]);
    await host.namespace.run(['chmod', '0600', host.socket]);
    const denied = await host.namespace.attempt([
      ...['setpriv', '--bounding-set=-dac_override', '--inh-caps=-dac_override', '--'],
      ...[...host.cli, 'status'],
    ]);
    expectRefusal(denied, 3, 'WEFT_SOCKET_DENIED', host.socket);
  });
});
