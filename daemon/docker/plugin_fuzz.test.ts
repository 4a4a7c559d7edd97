/** Whatever comes on the socket is answered in JSON, and the plugin lives on. */
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pluginMethods } from './plugin_methods.js';
import { fakes, PluginHost } from './testing/plugin_host.js';

const known = [...pluginMethods({ ...fakes([]), log: {} as never }).keys()];
const hex = fc.stringMatching(/^[0-9a-f]{1,64}$/);
const cidr = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(40)).map(([address, prefix]) => `${address}/${prefix}`),
  fc.tuple(fc.ipV6(), fc.nat(140)).map(([address, prefix]) => `${address}/${prefix}`),
);
const text = fc.oneof(hex, cidr, fc.string(), fc.string({ unit: 'binary', maxLength: 50 }), fc.constant(''));
const value: fc.Arbitrary<unknown> = fc.oneof(text, fc.jsonValue(), fc.constant(null));
const optionNames = fc.constantFrom(
  'com.docker.network.generic',
  'com.docker.network.internal',
  'com.docker.network.endpoint.macaddress',
  'weft.network',
  'weft.vni',
  'mtu',
  '__proto__',
  'constructor',
  'RequestAddressType',
);
const map = fc.oneof(fc.dictionary(fc.oneof(optionNames, fc.string()), value), value);
const pools = fc.oneof(
  fc.array(
    fc.record({ AddressSpace: text, Pool: text, Gateway: text, AuxAddresses: map }, { requiredKeys: [] }),
  ),
  value,
);
/** Messages of the right shape in which any field may be missing or of a wrong kind. */
const message = fc.record(
  {
    NetworkID: fc.oneof(hex, value),
    EndpointID: fc.oneof(hex, value),
    SandboxKey: value,
    Options: map,
    IPv4Data: pools,
    IPv6Data: pools,
    Interface: fc.oneof(
      fc.record({ Address: text, AddressIPv6: text, MacAddress: text }, { requiredKeys: [] }),
      value,
    ),
    AddressSpace: fc.oneof(fc.constantFrom('weft-local', 'weft-global', ''), value),
    Pool: fc.oneof(cidr, value),
    SubPool: fc.oneof(cidr, value),
    PoolID: value,
    Address: fc.oneof(cidr, fc.ipV4(), value),
    V6: value,
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 5, arbitrary: message.map((given) => JSON.stringify(given)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: fc.json() },
);
const path = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...known) },
  { weight: 1, arbitrary: fc.webPath().map((given) => given.slice(1)) },
);

describe('the plugin under random requests', () => {
  let host: PluginHost;
  beforeAll(async () => {
    host = await PluginHost.start();
  });
  afterAll(() => host.stop());

  it('answers each of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        path,
        body,
        fc.constantFrom('POST', 'POST', 'POST', 'GET', 'PUT'),
        async (method, sent, verb) => {
          const answer = await host.ask(method, sent, { verb });
          expect([200, 404, 405, 500]).toContain(answer.status);
          expect(typeof answer.body).toBe('object');
          if (answer.status !== 200)
            expect([answer.body.Err, answer.body.Err]).toEqual([answer.body.Error, expect.any(String)]);
          expect(answer.body.Err ?? '').not.toContain('WEFT_INTERNAL');
        },
      ),
      { numRuns: 1000 },
    );
    expect((await host.ask('Plugin.Activate')).status).toBe(200);
  }, 60_000);

  it('lives on whatever bytes come', async () => {
    const head = fc.constantFrom(
      '',
      'POST /Plugin.Activate HTTP/1.1\r\n',
      'POST / HTTP/1.1\r\nContent-Length: ',
    );
    await fc.assert(
      fc.asyncProperty(head, fc.uint8Array({ maxLength: 300 }), async (start, bytes) => {
        const socket = connect(host.path);
        socket.resume().on('error', () => undefined);
        socket.end(Buffer.concat([Buffer.from(start), bytes]));
        await new Promise((closed) => socket.once('close', closed));
      }),
      { numRuns: 500 },
    );
    expect((await host.ask('Plugin.Activate')).status).toBe(200);
  }, 60_000);
});
