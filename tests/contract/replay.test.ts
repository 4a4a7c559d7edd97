/** Replays what a real engine said to a weftd with all its parts, on a fake of the addon: every answer, and what is left at the end. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { OwnIpam } from './own_ipam.js';
import { type Json, readTranscript, scenarios, Translation, wasRefused } from './transcript.js';
import { Weftd } from './weftd.js';

const empty = z.strictObject({});
const cidr = z.string().regex(/^[0-9a-f.:]+\/\d+$/);
const mac = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);

/** What the engine takes as an answer (libnetwork drivers/remote/api, ipams/remote/api). */
const answers: Readonly<Record<string, z.ZodType>> = {
  'Plugin.Activate': z.strictObject({
    Implements: z.tuple([z.literal('NetworkDriver'), z.literal('IpamDriver')]),
  }),
  'NetworkDriver.GetCapabilities': z.strictObject({
    Scope: z.literal('local'),
    ConnectivityScope: z.literal('global'),
    GwAllocChecker: z.literal(true),
  }),
  'IpamDriver.GetCapabilities': z.strictObject({
    RequiresMACAddress: z.literal(false),
    RequiresRequestReplay: z.literal(false),
  }),
  'IpamDriver.GetDefaultAddressSpaces': z.strictObject({
    LocalDefaultAddressSpace: z.literal('weft-local'),
    GlobalDefaultAddressSpace: z.literal('weft-global'),
  }),
  'IpamDriver.RequestPool': z.strictObject({ PoolID: z.string().min(1), Pool: cidr, Data: empty }),
  'IpamDriver.RequestAddress': z.strictObject({ Address: cidr, Data: empty }),
  'NetworkDriver.CreateEndpoint': z.strictObject({
    Interface: z.strictObject({ MacAddress: mac.optional() }),
  }),
  'NetworkDriver.Join': z.strictObject({
    InterfaceName: z.strictObject({
      SrcName: z.string().regex(/^weft[0-9a-f]{11}$/),
      DstPrefix: z.literal('eth'),
    }),
    StaticRoutes: z.array(z.strictObject({ Destination: cidr, RouteType: z.literal(1) })),
    DisableGatewayService: z.literal(false),
  }),
  'NetworkDriver.EndpointOperInfo': z.strictObject({
    Value: z
      .strictObject({ 'weft.port': z.string(), 'weft.network': z.string(), 'weft.link': z.string() })
      .optional(),
  }),
};

const powerCut = /^every process of the host killed|^again, but the plugin starts/;

describe('the conversations of Docker 20.10', { timeout: 60_000 }, () => {
  let weftd: Weftd;
  beforeEach(async () => {
    weftd = await Weftd.start();
  });
  afterEach(() => weftd.end());

  const both = scenarios().flatMap((scenario) => [
    { scenario, addresses: 'as recorded' },
    { scenario, addresses: 'from weft' },
  ]);

  it.each(both)('$scenario, with addresses $addresses', async ({ scenario, addresses }) => {
    const ipam = addresses === 'from weft' ? new OwnIpam(weftd) : null;
    let command = '';
    const translation = new Translation();
    let power = true;
    for (const line of readTranscript(scenario)) {
      if ('note' in line && powerCut.test(line.note)) power = false;
      if ('event' in line) {
        await (power ? weftd.restart() : weftd.losePower());
        power = true;
      }
      if ('command' in line) command = line.command;
      if (!('request' in line)) continue;
      const { request, answer: recorded } = line;
      // The engine forgot it at once: weft, which does not refuse it, would keep it for ever.
      if (wasRefused(recorded) && /\.Create/.test(request)) continue;
      const asked = (await ipam?.before(request, line.body, command)) ?? line.body;
      const body = translation.body(request, asked as Json);
      const answer = await weftd.ask(request, body ?? undefined);
      const said = `${request} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`;
      expect(answer.status, said).toBe(200);
      expect((answers[request] ?? empty).safeParse(answer.body).error?.issues, said).toBeUndefined();
      translation.learn(request, recorded, answer.body);
      await ipam?.after(request, body);
      if (request !== 'NetworkDriver.CreateEndpoint') continue;
      // Exactly the fields that the engine left open.
      const { Interface } = body as { Interface?: { MacAddress: string } };
      expect('MacAddress' in answer.body.Interface).toBe(Interface?.MacAddress === '');
    }
    expect(weftd.leftovers()).toEqual([]);
  });
});
