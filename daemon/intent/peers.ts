/** Adding and removing peers. */
import type { PeerCreate } from '../api/schema.js';
import { WeftError } from '../errors.js';
import { formatEndpoint, parsePeerAddress, peerAddressProblem } from '../model/address.js';
import { peerIdOf } from '../model/identity.js';
import { entryKey, type Owner, type PeerRecord } from '../model/objects.js';
import { commit, commitRemoval } from './commit.js';
import { checkOwner } from './ownership.js';
import type { IntentParts } from './parts.js';

const mostPeers = 4096;

export class PeerIntent {
  constructor(private readonly parts: IntentParts) {}

  add(request: PeerCreate, owner: Owner): Promise<PeerRecord> {
    const parsed = parsePeerAddress(request.address);
    if (parsed === null) {
      const expected = `expected address[:port], such as 10.0.0.2, [fd00::2]:8472 or host3.example`;
      const reason = `${request.address}: ${peerAddressProblem(request.address) ?? expected}`;
      throw new WeftError('WEFT_INVALID', { field: 'address', reason });
    }
    if (request.port !== undefined && (request.port < 1 || request.port > 65535)) {
      throw new WeftError('WEFT_INVALID', { field: 'port', reason: 'expected a UDP port, 1-65535' });
    }
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      const { address } = parsed;
      const port = request.port ?? parsed.port ?? catalog.config.underlay.port;
      const { checksum = 'full', offload = 'auto' } = request;
      const peer: PeerRecord = { id: peerIdOf(address), address, port, checksum, offload, owner };
      const peers = catalog.peers();
      if (peers.some((other) => other.address === address))
        throw new WeftError('WEFT_PEER_EXISTS', { address });
      if (peers.length >= mostPeers)
        throw new WeftError('WEFT_INVALID', { field: 'address', reason: `${mostPeers} peers is the limit` });
      await commit(this.parts, {
        store: (tx) => tx.put('peer', peer.id, peer),
        takeBack: (tx) => tx.delete('peer', peer.id),
        needs: (step) => step.do === 'put-peer' && step.id === peer.id,
      });
      events.emit('peer-added', `peer ${address}`, `peer ${formatEndpoint(address, port)} was added`);
      return peer;
    });
  }

  remove(ref: string, caller: Owner): Promise<void> {
    return this.parts.mutex.run(async () => {
      const { catalog, events } = this.parts;
      const peer = catalog.peer(ref);
      checkOwner(`peer ${peer.address}`, peer.owner, caller);
      const entries = catalog.entries().filter(({ where }) => where.kind === 'peer' && where.id === peer.id);
      await commitRemoval(this.parts, (tx) => {
        tx.delete('peer', peer.id);
        for (const entry of entries) tx.delete('entry', entryKey(entry));
      });
      events.emit('peer-removed', `peer ${peer.address}`, `peer ${peer.address} was removed`);
    });
  }
}
