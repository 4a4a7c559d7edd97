/** Static FDB entries. */
import type { FdbAdd } from '../api/schema.js';
import type { Datapath } from '../datapath/datapath.js';
import { WeftError } from '../errors.js';
import { isUnicastMac, parseMac } from '../model/mac.js';
import { type EntryRecord, type EntryTarget, entryKey, type Owner } from '../model/objects.js';
import { portLabel } from '../state/catalog.js';
import { commit, commitRemoval } from './commit.js';
import { checkOwner } from './ownership.js';
import type { IntentParts } from './parts.js';

export class EntryIntent {
  constructor(
    private readonly parts: IntentParts,
    private readonly datapath: Datapath,
  ) {}

  add(request: FdbAdd, owner: Owner): Promise<EntryRecord> {
    const mac = macOf(request.mac);
    if (!isUnicastMac(mac))
      throw new WeftError('WEFT_INVALID', { field: 'mac', reason: 'a group address or zero has no place' });
    return this.parts.mutex.run(async () => {
      const { catalog, store } = this.parts;
      const network = catalog.network(request.network).name;
      const { where, label } = this.target(request, network);
      const entry: EntryRecord = { network, mac, where, owner };
      const before = store.get('entry', entryKey(entry));
      if (before !== undefined)
        throw new WeftError('WEFT_FDB_EXISTS', { mac, network, where: this.labelOf(before.where) });
      const declared = catalog.entries().filter((one) => one.network === network).length;
      if (declared >= catalog.limitsOf(catalog.network(network)).limit) {
        throw new WeftError('WEFT_INVALID', {
          field: 'mac',
          reason: `network "${network}" holds as many MACs as its fdb.limit allows`,
        });
      }
      await commit(this.parts, {
        store: (tx) => tx.put('entry', entryKey(entry), entry),
        takeBack: (tx) => tx.delete('entry', entryKey(entry)),
        needs: (step) => step.do === 'declare' && entryKey(step.entry) === entryKey(entry),
      });
      this.parts.events.emit('fdb-added', `network ${network}`, `${mac} was declared at ${label}`);
      return entry;
    });
  }

  remove(networkName: string, macText: string, caller: Owner): Promise<void> {
    const mac = macOf(macText);
    return this.parts.mutex.run(async () => {
      const { catalog, store, events } = this.parts;
      const network = networkName;
      const key = entryKey({ network, mac });
      const entry = store.get('entry', key);
      // A network that is gone may have left entries.
      if (entry === undefined) catalog.network(network);
      if (entry === undefined) throw new WeftError('WEFT_FDB_NOT_FOUND', { network, mac });
      checkOwner(`the FDB entry ${mac}`, entry.owner, caller);
      await commitRemoval(this.parts, (tx) => tx.delete('entry', key));
      events.emit('fdb-removed', `network ${network}`, `${mac} is not declared any more`);
    });
  }

  /** Forgets what was learned, on one network or on all. */
  flush(network: string | null): void {
    this.datapath.flush(network === null ? null : this.parts.catalog.network(network).name);
    this.parts.events.emit(
      'fdb-flushed',
      network === null ? 'all networks' : `network ${network}`,
      'learned MACs were forgotten',
    );
  }

  private target(request: FdbAdd, network: string): { where: EntryTarget; label: string } {
    const { port: portRef, peer: peerRef } = request;
    if (portRef !== undefined && peerRef === undefined) {
      const port = this.parts.catalog.port(portRef);
      if (port.network !== network) {
        const reason = `port "${portRef}" is on network "${port.network}", not on "${network}"`;
        throw new WeftError('WEFT_INVALID', { field: 'port', reason });
      }
      return { where: { kind: 'port', id: port.id }, label: portLabel(port) };
    }
    if (peerRef !== undefined && portRef === undefined) {
      const peer = this.parts.catalog.peer(peerRef);
      return { where: { kind: 'peer', id: peer.id }, label: peer.address };
    }
    throw new WeftError('WEFT_INVALID', { field: 'port', reason: 'expected either a port or a peer' });
  }

  private labelOf(where: EntryTarget): string {
    const { catalog } = this.parts;
    if (where.kind === 'peer') return catalog.peers().find(({ id }) => id === where.id)?.address ?? where.id;
    const port = catalog.ports().find(({ id }) => id === where.id);
    return port === undefined ? where.id : portLabel(port);
  }
}

function macOf(text: string): string {
  const mac = parseMac(text);
  if (mac === null)
    throw new WeftError('WEFT_INVALID', {
      field: 'mac',
      reason: `${text}: expected a MAC such as 02:00:00:00:00:01`,
    });
  return mac;
}
