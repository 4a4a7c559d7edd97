/** Creating and removing networks: validate, store, reconcile. */
import type { NetworkCreate } from '../api/schema.js';
import { WeftError } from '../errors.js';
import { parseSubnet } from '../model/address.js';
import { helloVni, vniOfName } from '../model/identity.js';
import { maxMtu, minMtu } from '../model/mtu.js';
import { networkNameProblem } from '../model/names.js';
import { entryKey, type NetworkRecord, type Owner } from '../model/objects.js';
import type { Catalog } from '../state/catalog.js';
import { markRemoved } from '../state/removal.js';
import { commit, commitRemoval } from './commit.js';
import { checkOwner } from './ownership.js';
import type { IntentParts } from './parts.js';

export class NetworkIntent {
  constructor(private readonly parts: IntentParts) {}

  create(request: NetworkCreate, owner: Owner): Promise<NetworkRecord> {
    const record = toRecord(request, owner);
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      checkNetworkFree(record, catalog);
      await commit(this.parts, {
        store: (tx) => tx.put('network', record.name, record),
        takeBack: (tx) => tx.delete('network', record.name),
        needs: (step) => step.do === 'put-network' && step.name === record.name,
      });
      events.emit(
        'network-created',
        `network ${record.name}`,
        `network "${record.name}" was created with VNI ${record.vni}`,
      );
      return record;
    });
  }

  remove(name: string, caller: Owner, force: boolean): Promise<void> {
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      // A shadowed network is not in force, but is the API's to remove.
      const shadow = catalog.shadowed().find((one) => one.network.name === name);
      const network = shadow?.network ?? catalog.network(name);
      // Its ports are on that of the file then.
      const replaced = shadow?.by.name === name;
      const joined = catalog.engineNetworks().filter((one) => one.network === name).length;
      // Docker made it and is gone from it; ports of other origins have kept it, and Docker will not ask for it again.
      const orphaned = network.owner.kind === 'docker' && joined === 0;
      if (!orphaned) checkOwner(`network "${name}"`, network.owner, caller);
      if (!replaced && joined > 0 && !force)
        throw new WeftError('WEFT_NETWORK_OF_ENGINE', { name, count: joined });
      const ports = replaced ? [] : catalog.ports().filter((port) => port.network === name);
      if (ports.length > 0 && !force)
        throw new WeftError('WEFT_NETWORK_HAS_PORTS', { name, count: ports.length });
      for (const port of ports) checkOwner(`port "${port.name ?? port.id}"`, port.owner, caller);
      await commitRemoval(this.parts, (tx) => {
        tx.delete('network', name);
        if (replaced) return;
        const entries = catalog.entries();
        for (const port of ports) markRemoved(tx, port.id, entries);
        for (const entry of entries) if (entry.network === name) tx.delete('entry', entryKey(entry));
      });
      events.emit('network-removed', `network ${name}`, `network "${name}" was removed`);
    });
  }
}

/** Throws WEFT_NETWORK_EXISTS or WEFT_VNI_IN_USE. */
export function checkNetworkFree({ name, vni }: NetworkRecord, catalog: Catalog): void {
  for (const other of [...catalog.networks(), ...catalog.shadowed().map(({ network }) => network)]) {
    if (other.name === name) throw new WeftError('WEFT_NETWORK_EXISTS', { name });
    if (other.vni === vni) throw new WeftError('WEFT_VNI_IN_USE', { vni, other: other.name });
  }
}

function toRecord(request: NetworkCreate, owner: Owner): NetworkRecord {
  const { name, vni, mtu = 'auto', vlan = 'drop' } = request;
  const problem = networkNameProblem(name);
  if (problem !== null) throw new WeftError('WEFT_INVALID', { field: 'name', reason: problem });
  if (vni !== undefined && (vni < 1 || vni >= helloVni)) {
    throw new WeftError('WEFT_INVALID', { field: 'vni', reason: `expected a VNI of 1-${helloVni - 1}` });
  }
  if (mtu !== 'auto' && (mtu < minMtu || mtu > maxMtu)) {
    throw new WeftError('WEFT_INVALID', {
      field: 'mtu',
      reason: `expected auto or ${minMtu}-${maxMtu} bytes`,
    });
  }
  const subnets = (request.subnets ?? []).map((text) => {
    const parsed = parseSubnet(text);
    if ('problem' in parsed)
      throw new WeftError('WEFT_INVALID', { field: 'subnets', reason: `${text}: ${parsed.problem}` });
    return parsed.subnet;
  });
  if (subnets.length > 16)
    throw new WeftError('WEFT_INVALID', { field: 'subnets', reason: 'expected at most 16 subnets' });
  return { name, vni: vni ?? vniOfName(name), subnets: [...new Set(subnets)], mtu, vlan, fdb: {}, owner };
}
