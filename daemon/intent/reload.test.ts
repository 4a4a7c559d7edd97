/** What a reload says that it changed. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseConfig } from '../config/load.js';
import { FakeNative } from '../datapath/fake_native.js';
import { buildWorld } from '../reconcile/testing/world.js';
import { PeerIntent } from './peers.js';
import { ReloadIntent } from './reload.js';

let world: ReturnType<typeof buildWorld>;
beforeEach(() => {
  world = buildWorld({ native: new FakeNative(), config: 'networks: { blue: { vni: 42 } }' });
});
afterEach(() => world.reconciler.stop());

const reload = (text: string) =>
  new ReloadIntent(
    world.parts,
    () => parseConfig(text, 'f.yaml'),
    () => undefined,
  ).reload();

it('names the keys of a network and of a peer that changed', async () => {
  await reload('networks: { blue: { vni: 42 } }\npeers: [10.99.0.2]');
  expect(
    await reload(
      'networks: { blue: { vni: 42, mtu: 1400 } }\npeers: [{ address: 10.99.0.2, port: 8472, offload: off }]',
    ),
  ).toEqual([
    'network "blue" was changed: mtu from "auto" to 1400',
    'peer 10.99.0.2 was changed: port from unset to 8472, offload from "auto" to "off"',
  ]);
});

it('tells a peer that is new from one that the API made before', async () => {
  await new PeerIntent(world.parts).add({ address: '10.99.0.2' }, { kind: 'api', ref: 'weft' });
  const both = 'networks: { blue: { vni: 42 } }\npeers: [10.99.0.2, 10.99.0.3]';
  expect(await reload(both)).toEqual([
    'peer 10.99.0.2 is of the file now, not of the API any more',
    'peer 10.99.0.3 was added',
  ]);
  expect(await reload('networks: { blue: { vni: 42 } }')).toEqual([
    'peer 10.99.0.2 is not of the file any more; that of the API is in force',
    'peer 10.99.0.3 was removed',
  ]);
  expect(world.catalog.peers()).toMatchObject([{ address: '10.99.0.2', owner: { kind: 'api' } }]);
});

it('keeps in sight what waits for a restart', async () => {
  const codes = () => world.reconciler.findings.map(({ code, message }) => `${code}: ${message}`);
  const changed = 'networks: { blue: { vni: 42 } }\nunderlay: { source_ports: 8 }';
  expect(await reload(changed)).toEqual([
    'underlay.source_ports changed from 4 to 8: takes effect when weftd is started again',
  ]);
  expect(await reload(changed)).toEqual([]);
  expect(codes()).toEqual([
    'CONFIG_NEEDS_RESTART: underlay.source_ports changed from 4 to 8 in the configuration file',
  ]);
  await reload('networks: { blue: { vni: 42 } }');
  expect(codes()).toEqual([]);
});
