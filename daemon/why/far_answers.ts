/**
 * What this host says to a peer that asks about a way. Only configured peers are heard, and what they learn is what a host of the same networks
 * finds out by sending frames and hearing them: whether there is a network of that VNI, who answers for an address, whether it gets
 * frames. Beyond that: the MTU of the network, the VNI that a network of the asker's name has, the address of a third host that has one of the
 * two MACs, which container of a name that the asker knows has which address, and why frames were dropped last. `underlay.explain: off` says nothing.
 */
import type { Datapath } from '../datapath/datapath.js';
import type { Target } from '../datapath/registry.js';
import { withoutPrefix } from '../model/address.js';
import type { PortRecord } from '../model/objects.js';
import type { Catalog } from '../state/catalog.js';
import { decodeQuestion, encodeAccount, type FarQuestion } from './far_wire.js';
import type { PortSight } from './port_sight.js';
import type { FarAccount, FarDrop, FarPlace } from './snapshot.js';

export interface FarAnswersParts {
  catalog: Pick<Catalog, 'networks' | 'ports' | 'peers' | 'config'>;
  datapath: Pick<Datapath, 'state' | 'entry' | 'dropsAt'>;
  sight: Pick<PortSight, 'linkOf' | 'stateOf' | 'namesOf'>;
}

const nowhere: FarPlace = { where: 'nowhere', address: null, declared: false, frozen: false, idle: 0 };

export class FarAnswers {
  constructor(private readonly parts: FarAnswersParts) {}

  /** The reply to a query of the topic `why`; null when there is none. */
  answer(text: Buffer, peer: string, room: number): Buffer | null {
    const question = decodeQuestion(text);
    if (question === null || this.parts.catalog.config.underlay.explain === 'off') return null;
    return encodeAccount(this.account(question, peer), room);
  }

  private account(question: FarQuestion, asker: string): FarAccount {
    const { catalog, datapath } = this.parts;
    const programmed = datapath.state().networks;
    const networks = catalog.networks().filter(({ name }) => programmed.has(name));
    const here = networks.find(({ vni }) => vni === question.vni);
    const other = networks.find(({ name, vni }) => name === question.network && vni !== question.vni);
    const known = { vni: other?.vni ?? null, drop: this.lastDrop({ kind: 'peer', id: asker }, 'ingress') };
    // What is on another network is none of the asker's business.
    if (here?.name !== question.network) {
      const network = here === undefined ? 'none' : 'renamed';
      return { ...known, network, mtu: null, to: nowhere, from: nowhere, port: null };
    }
    const port = this.port(here.name, question);
    const toMac = question.toMac ?? (port === null ? null : this.macOf(port));
    return {
      ...known,
      network: 'same',
      mtu: programmed.get(here.name)?.mtu ?? null,
      to: this.place(here.name, toMac, asker),
      from: this.place(here.name, question.fromMac, asker),
      port: port === null ? null : this.portAccount(port, question.toAddress),
    };
  }

  private portAccount(port: PortRecord, asked: string | null): NonNullable<FarAccount['port']> {
    const addresses = this.addressesOf(port);
    return {
      mac: this.macOf(port),
      address: addresses.find((one) => one === asked) ?? addresses[0] ?? null,
      state: this.parts.sight.stateOf(port),
      drop: this.lastDrop({ kind: 'port', id: port.id }, 'egress'),
    };
  }

  /** By the address, which is what ARP asks for; else by the MAC, else by what it is called. */
  private port(network: string, { toAddress, toMac, toName }: FarQuestion): PortRecord | null {
    const ports = this.parts.catalog.ports().filter((port) => port.network === network);
    const found =
      (toAddress === null ? undefined : ports.find((port) => this.addressesOf(port).includes(toAddress))) ??
      (toMac === null ? undefined : ports.find((port) => this.macOf(port) === toMac)) ??
      (toName === null ? undefined : ports.find((port) => this.parts.sight.namesOf(port).includes(toName)));
    return found ?? null;
  }

  private macOf(port: PortRecord): string {
    return this.parts.sight.linkOf(port)?.mac ?? port.mac;
  }

  private addressesOf(port: PortRecord): string[] {
    return (this.parts.sight.linkOf(port)?.addresses ?? port.addresses).map(withoutPrefix);
  }

  private place(network: string, mac: string | null, asker: string): FarPlace {
    const entry = mac === null ? null : this.parts.datapath.entry(network, mac);
    if (entry === null) return nowhere;
    const { where, declared, frozen, idle } = entry;
    const held = { declared, frozen, idle };
    if (where.kind === 'port') return { where: 'port', address: null, ...held };
    if (where.id === asker) return { where: 'asker', address: null, ...held };
    const third = this.parts.catalog.peers().find(({ id }) => id === where.id);
    return { where: 'peer', address: third?.address ?? null, ...held };
  }

  private lastDrop(where: Target, stage: 'ingress' | 'egress'): FarDrop | null {
    const last = this.parts.datapath.dropsAt(where).find((drop) => drop.stage === stage);
    return last === undefined ? null : { reason: last.reason, frames: last.frames, idle: last.idle };
  }
}
