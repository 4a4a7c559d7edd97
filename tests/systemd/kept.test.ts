/** What systemd keeps for weftd while it is away: over a restart, a crash, a stop. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../lab/wait.js';
import { openServicePair, type ServicePair } from './pair.js';

let pair: ServicePair;

beforeAll(async () => {
  pair = await openServicePair();
});
afterAll(() => pair?.lab.close());

/** How often the link of a guest has lost or got its carrier. */
const carrierChanges = async () => Number(await pair.a.sys('carrier_changes'));
const kept = async () => Number(await pair.h1.property('NFileDescriptorStore'));
/** One TAP, and the sockets of both families on port 4789. */
const usual = 3;

describe('what is kept', () => {
  it('is the TAP of each port and the sockets of the VTEP, under names that say which', async () => {
    await until('systemd has all of it', async () => (await kept()) === usual);
  });

  it.each([
    ['systemctl restart', async () => void (await pair.h1.systemctl('restart', 'weftd.service'))],
    [
      'kill -9',
      async () => {
        const former = await pair.h1.property('MainPID');
        await pair.h1.systemctl('kill', '-s', 'KILL', 'weftd.service');
        await pair.h1.anotherIsReady(former);
      },
    ],
  ])('is taken up over %s, and the link never loses its carrier', async (_, restart) => {
    const before = await carrierChanges();
    await restart();
    await pair.a.reach('10.42.0.2');
    expect(await carrierChanges()).toBe(before);
    expect(await pair.h1.journal()).toContain('ports were taken over as they were');
    await until('systemd has all of it', async () => (await kept()) === usual);
  });

  it('is lost with systemctl stop, and the persistent TAP is reattached', async () => {
    const before = await carrierChanges();
    await pair.h1.systemctl('stop', 'weftd.service');
    expect(await kept()).toBe(0);
    expect(await pair.a.namespace.ip('link', 'show', 'eth0')).toContain('NO-CARRIER');
    await pair.h1.systemctl('start', 'weftd.service');
    await pair.a.reach('10.42.0.2');
    expect(await carrierChanges()).toBe(before + 2);
    await until('systemd has all of it', async () => (await kept()) === usual);
  });

  it('goes with its port, and a namespace is not kept alive by it', async () => {
    const { h1 } = pair;
    await h1.exec('ip', 'netns', 'add', 'brief');
    // Its other end goes when the namespace does.
    await h1.exec('ip', 'link', 'add', 'sign', 'type', 'veth', 'peer', 'name', 'inside', 'netns', 'brief');
    const { id } = await h1.attach('brief', 'blue');
    await until('systemd has it', async () => (await kept()) === usual + 1);
    await h1.systemctl('restart', 'weftd.service');
    await h1.exec('ip', 'netns', 'del', 'brief');
    await until(
      'the namespace is gone',
      async () => (await h1.attempt(['ip', 'link', 'show', 'sign'])).status !== 0,
    );
    await until('systemd has let go of it', async () => (await kept()) === usual);
    await h1.weft('port', 'rm', id);
  });
});

it('never trusts what comes back: what is no TAP, no such socket, or not wanted, is closed and removed', async () => {
  const { h1, a } = pair;
  // Whoever may write to the unit's socket: root, in the unit's control group.
  await h1.write(
    '/usr/local/bin/inject',
    `import array, os, socket
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(os.environ['NOTIFY_SOCKET'])
def store(name, fd):
    text = b'FDSTORE=1\\nFDPOLL=0\\nFDNAME=' + name.encode()
    manager.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
port = os.environ['WEFT_PORT']
null = os.open('/dev/null', os.O_RDWR)
store('tap-p-00000000-0', null)
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(('0.0.0.0', 9999))
store('vtep-ipv4-9999', other.fileno())
narrow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
narrow.bind(('127.0.0.1', 9998))
store('vtep-ipv4-9998', narrow.fileno())
false = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
store('tap-' + port + '-0', false.fileno())
`.replaceAll('\\\\', '\\'),
  );
  const [{ id } = { id: '' }] = await h1.ports();
  await h1.edit(
    'weftd.service',
    `[Service]\nNotifyAccess=all\nEnvironment=WEFT_PORT=${id}\nExecStartPost=+/usr/bin/python3 /usr/local/bin/inject\n`,
  );
  await h1.systemctl('restart', 'weftd.service');
  await until('systemd has the false ones', async () => (await kept()) === usual + 4);
  await h1.exec('rm', '/etc/systemd/system/weftd.service.d/lab.conf');
  await h1.systemctl('daemon-reload');
  await h1.systemctl('restart', 'weftd.service');
  await a.reach('10.42.0.2');
  await until('systemd has the right ones', async () => (await kept()) === usual);
  const journal = await h1.journal();
  for (const name of ['tap-p-00000000-0', 'vtep-ipv4-9998', `tap-${id}-0`])
    expect(journal).toMatch(new RegExp(`${name}.*is of no use|is of no use.*${name}`));
});
