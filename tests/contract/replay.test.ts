/** Replays what a real engine said to a weftd with all its parts, on a fake of the addon: every answer, and what is left at the end. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../daemon/config/load.js';
import { type Daemon, startDaemon } from '../../daemon/daemon.js';
import { FakeNative } from '../../daemon/datapath/fake_native.js';
import { ask } from '../../daemon/docker/testing/plugin_host.js';
import { MemoryStore } from '../../daemon/state/memory_store.js';
import { readTranscript, scenarios, Translation, wasRefused } from './transcript.js';

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

describe('the conversations of Docker 20.10', () => {
  let directory: string;
  let socket: string;
  let store: MemoryStore;
  let native: FakeNative;
  let daemon: Daemon;
  let boot: number;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weft-contract-'));
    socket = join(directory, 'plugin.sock');
    const config = `docker: { plugin: ${socket}, api: off }\nmetrics: { listen: off }\n`;
    writeFileSync(join(directory, 'weft.yaml'), config);
    store = new MemoryStore();
    native = new FakeNative();
    boot = 1;
    await start();
  });
  afterEach(async () => {
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });

  async function start(): Promise<void> {
    const configFile = join(directory, 'weft.yaml');
    const options = {
      configFile,
      configMayBeAbsent: false,
      stateDir: join(directory, 'state'),
      socket: join(directory, 'api.sock'),
    };
    daemon = await startDaemon(options, loadConfig(configFile, false), {
      native,
      proc: { bootId: () => `boot-${boot}`, startTime: (pid) => (pid === process.pid ? '77' : null) },
      lookup: async () => [],
      log: pino({ level: 'silent' }),
      version: '1.2.3',
      openStore: async () => store,
      activated: null,
      connectEngine: () => {
        throw new Error('docker.api is off');
      },
    });
  }

  it.each(scenarios())('%s', async (scenario) => {
    const translation = new Translation();
    const endpoints = new Set<string>();
    const networks = new Set<string>();
    let power = true;
    for (const line of readTranscript(scenario)) {
      if ('note' in line && powerCut.test(line.note)) power = false;
      if ('event' in line) {
        await daemon.stop();
        native.locks.clear();
        if (!power) {
          native = new FakeNative();
          boot++;
          power = true;
        }
        await start();
      }
      if (!('request' in line)) continue;
      const { request, answer: recorded } = line;
      // The engine forgot it at once: weft, which does not refuse it, would keep it for ever.
      if (wasRefused(recorded) && /\.Create/.test(request)) continue;
      const body = translation.body(request, line.body);
      const answer = await ask(socket, `/${request}`, body ?? undefined);
      const said = `${request} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`;
      expect(answer.status, said).toBe(200);
      expect((answers[request] ?? empty).safeParse(answer.body).error?.issues, said).toBeUndefined();
      translation.learn(request, recorded, answer.body);

      const {
        NetworkID = '',
        EndpointID = '',
        Interface,
      } = (body ?? {}) as {
        NetworkID?: string;
        EndpointID?: string;
        Interface?: { MacAddress: string };
      };
      if (request === 'NetworkDriver.CreateNetwork') networks.add(NetworkID);
      if (request === 'NetworkDriver.DeleteNetwork') networks.delete(NetworkID);
      if (request === 'NetworkDriver.DeleteEndpoint') endpoints.delete(EndpointID);
      if (request === 'NetworkDriver.CreateEndpoint') {
        endpoints.add(EndpointID);
        // Exactly the fields that the engine left open.
        expect('MacAddress' in answer.body.Interface).toBe(Interface?.MacAddress === '');
      }
    }
    expect(store.list('engine-network').map(({ id }) => id)).toEqual([...networks]);
    expect(networks.size).toBe(0);
    expect(store.list('port')).toEqual([]);
    expect(store.list('network')).toEqual([]);
    expect(store.list('pool')).toEqual([]);
    expect(store.list('lease').filter(({ state }) => state === 'active')).toEqual([]);
    expect(native.own.links.filter(({ ifname }) => ifname.startsWith('weft'))).toEqual([]);
  });
});
