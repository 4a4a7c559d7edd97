/** Records for tests of the state. */
import type { NetworkRecord } from '../../model/objects.js';
import type { Store } from '../store.js';

export const blue: NetworkRecord = {
  name: 'blue',
  vni: 42,
  subnets: ['10.42.0.0/24'],
  mtu: 'auto',
  vlan: 'drop',
  fdb: {},
  owner: { kind: 'api', ref: 'weft' },
};

export function network(name: string): NetworkRecord {
  return { ...blue, name };
}

export function names(store: Store): string[] {
  return store.list('network').map(({ name }) => name);
}
