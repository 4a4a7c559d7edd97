/**
 * Compares what should be with what is, and repairs the difference: on every change and every two seconds, never twice at once. It is
 * level-triggered: it never asks what happened, only what is, so a lost event costs a round and a crash is the same as a start.
 */

import type { Logger } from 'pino';
import type { Finding } from '../api/schema.js';
import type { Datapath, PortOffloads } from '../datapath/datapath.js';
import type { EndedCapture, HelloReport, OffloadReport, QueryReport } from '../datapath/events.js';
import type { Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import type { PortRecord } from '../model/objects.js';
import { type Catalog, portLabel } from '../state/catalog.js';
import type { Store } from '../state/store.js';
import { steadyNow } from '../steady_time.js';
import type { EventBus } from '../telemetry/events.js';
import { secondsSince } from '../telemetry/histogram.js';
import { RoundMeter } from '../telemetry/meters.js';
import { Arrivals } from './arrivals.js';
import { Carrier, type Failure } from './carry_out.js';
import { Conflicts } from './conflicts.js';
import { desire, type Picture } from './desire.js';
import { diagnose } from './diagnose.js';
import { EngineEvents } from './engine_events.js';
import { type FindingDraft, FindingList, finding } from './findings.js';
import type { Namespaces } from './netns.js';
import { Observer } from './observer.js';
import { noFaults, type OffloadFaults, type OffloadName, usedOffloads } from './offloads.js';
import { isOvertaken } from './overtaken.js';
import { linkOf, plan, planUnderlay, type Step } from './plan.js';
import type { Proc } from './proc.js';
import { Recorder } from './recorder.js';
import { Refusals } from './refusals.js';
import type { PeerResolver } from './resolver.js';
import { SurroundingsObserver } from './surroundings.js';
import type { View } from './view.js';

export interface ReconcilerParts {
  store: Store;
  catalog: Catalog;
  datapath: Datapath;
  kernel: Kernel;
  namespaces: Namespaces;
  proc: Proc;
  resolver: PeerResolver;
  events: EventBus;
  log: Logger;
  /** Findings of parts that are no desired state, such as Docker. */
  more?: () => readonly FindingDraft[];
  /** What the probe found wrong with offloads; default: nothing. */
  faults?: OffloadFaults;
  /** What people call a port; default: its IFNAME and namespace. */
  label?: (port: PortRecord) => string;
  /** What peers answer about bursts. */
  offloadReport?: (report: OffloadReport) => void;
  /** Bytes of IP that arrive at a peer, where that is less than the kernel knows of; else null. */
  pathLimit?: (peer: string) => number | null;
  /** What the hosts of a network say that its MTU is, the least of them. */
  leastMtu?: (vni: number) => { peer: string; mtu: number } | null;
  /** What became of hellos, and what peers ask and reply. */
  helloReport?: (report: HelloReport) => void;
  queryReport?: (report: QueryReport) => void;
  /** Takes down how long rounds take, and what fails in them. */
  meter?: RoundMeter;
  captureEnded?: (ended: EndedCapture) => void;
  now?: () => Date;
}

const period = 2000;

export class Reconciler {
  private readonly carrier: Carrier;
  private readonly meter: RoundMeter;
  private readonly list: FindingList;
  private readonly observer: Observer;
  private readonly surroundings: SurroundingsObserver;
  private readonly engineEvents: EngineEvents;
  private readonly recorder: Recorder;
  private readonly arrivals: Arrivals;
  private readonly conflicts = new Conflicts(() => this.now());
  private readonly refusals = new Refusals(() => this.now());
  /** Ports that had their link already while this daemon runs. */
  private readonly linked = new Set<string>();
  private lastView: View | null = null;
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  private next: Promise<void> | null = null;
  private stopped = false;

  constructor(private readonly parts: ReconcilerParts) {
    this.list = new FindingList(parts.now ?? (() => new Date()));
    this.meter = parts.meter ?? new RoundMeter();
    this.observer = new Observer({ ...parts, hostId: parts.store.hostId }, undefined, () => this.now());
    this.recorder = new Recorder(parts, () => this.now());
    this.carrier = new Carrier(parts.datapath, parts.kernel, (id, reason) =>
      this.recorder.expired(id, reason),
    );
    this.engineEvents = new EngineEvents(
      parts,
      () => this.trigger(),
      (cookie) => this.observer.lookAgain(cookie),
      (conflict) => this.conflicts.add(conflict),
      parts.offloadReport,
      parts.helloReport,
      parts.queryReport,
      parts.captureEnded,
    );
    this.arrivals = new Arrivals({ ...parts, hostId: parts.store.hostId });
    const { kernel, resolver, pathLimit, leastMtu } = parts;
    this.surroundings = new SurroundingsObserver(kernel, resolver, { pathLimit, leastMtu });
  }

  get findings(): Finding[] {
    return this.list.all;
  }

  /** No round comes any more. */
  get stopping(): boolean {
    return this.stopped;
  }

  /** Throws before the first round. */
  get view(): View {
    if (this.lastView === null) throw new Error('the reconciler has not run yet');
    return this.lastView;
  }

  /** Why a port could not be made in the last round. */
  portFailure(id: string): WeftError | null {
    return this.failureOf(
      (step) => (step.do === 'create-tap' || step.do === 'reattach-tap') && step.port.id === id,
    );
  }

  /** Why a step could not be carried out in the last round. */
  failureOf(match: (step: Step) => boolean): WeftError | null {
    return this.lastView?.failures.find(({ step }) => match(step))?.error ?? null;
  }

  /**
   * Opens the VXLAN port, before any port is made. Throws when it is taken or not permitted; what else is missing may come, and is a
   * finding. Networks and peers are there first, because datagrams come at once.
   */
  openUnderlay(): void {
    const { desired } = this.imagine();
    const [own] = desired.underlay.ports;
    // Those that were taken over stay open.
    const open = this.parts.datapath.state().underlay?.ports ?? [];
    const ports = desired.underlay.ports.filter((port) => port === own || open.includes(port));
    const underlay = { ...desired.underlay, ports };
    const steps = planUnderlay({ ...desired, underlay }, this.parts.datapath.state());
    const failures = this.carrier.run(steps, this.offloads());
    this.count(steps, failures);
    const fatal = failures.find(
      ({ step, gap, error }) =>
        step.do === 'set-underlay' && gap === undefined && error.code !== 'WEFT_KERNEL',
    );
    if (fatal !== undefined) throw fatal.error;
  }

  start(): void {
    this.timer = setInterval(() => this.trigger(), period);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearInterval(this.timer);
    this.engineEvents.stop();
    this.arrivals.stop();
    // Who asked for the round has its error.
    await this.next?.catch(() => undefined);
    await this.running?.catch(() => undefined);
  }

  /** The datapath holds the TAP of this port. */
  hasPort(id: string): boolean {
    return this.parts.datapath.portPlace(id) !== undefined;
  }

  /** An engine is about to move the link of this port into its sandbox. */
  expectArrival(port: PortRecord): void {
    if (!this.stopped) this.arrivals.expect(port);
  }

  /** Asks for a round soon. */
  trigger(): void {
    if (this.stopped) return;
    // The round has told of it.
    this.settle().catch(() => undefined);
  }

  /** Resolves after a whole round that began after this call. Rejects when the round threw, or none comes any more (WEFT_STOPPING). */
  settle(): Promise<void> {
    if (this.stopped) return Promise.reject(new WeftError('WEFT_STOPPING'));
    this.next ??= (async () => {
      await this.running?.catch(() => undefined);
      this.next = null;
      this.running = this.guardedRound();
      try {
        await this.running;
      } finally {
        this.running = null;
      }
    })();
    return this.next;
  }

  /** Called by the engine through the datapath. */
  handleEvents(): void {
    this.engineEvents.wake();
  }

  private async guardedRound(): Promise<void> {
    const began = performance.now();
    try {
      await this.round();
      this.meter.round(secondsSince(began), false);
    } catch (error) {
      this.meter.round(secondsSince(began), true);
      const known = this.list.all.filter(({ code }) => code !== 'ROUND_FAILED');
      const sentence = `what should be could not be compared with what is: ${(error as Error).message}`;
      // Once, and not every two seconds for as long as it lasts.
      if (known.length === this.list.all.length)
        this.parts.log.error({ err: error }, 'a reconcile round failed');
      this.publish([...known, finding('ROUND_FAILED', 'reconciler', sentence)]);
      throw error;
    }
  }

  private async round(): Promise<void> {
    const picture = this.imagine();
    const held = [...this.parts.datapath.state().ports.values()].filter(({ pins }) => pins);
    this.parts.namespaces.beginRound(new Set(held.map(({ cookie }) => cookie)));
    const counted = this.parts.datapath.counters();
    this.engineEvents.detachGone(counted);
    const before = this.observer.observe();
    const steps = plan(picture.desired, before);
    this.parts.datapath.setPortOffloads(this.offloads());
    this.parts.datapath.setCarryChecksum(this.usedOffloads().carryChecksum);
    this.parts.datapath.setBusyPoll(this.parts.catalog.config.busy_poll === 'auto');
    const failed = await this.carrier.runInTurns(steps, this.offloads());
    this.observer.forget(steps);
    // What a step did not find may be at home again.
    if (failed.length > 0) this.observer.lookAgain(this.parts.namespaces.ownCookie);
    this.tellRestored(steps, failed);
    const actual = steps.length === 0 ? before : this.observer.observe();
    const failures = failed.filter((failure) => !isOvertaken(failure, picture.desired, actual));
    this.count(steps, failures);
    const conflicts = this.conflicts.current(new Set(actual.ports.keys()));
    const counters = steps.length === 0 ? counted : this.parts.datapath.counters();
    const refusing = this.refusals.current(counters);
    this.lastView = { picture, actual, failures, conflicts, refusing };
    this.arrivals.saw(this.endpointsUp(this.lastView));
    const unwritten = await this.recorder.record(actual);
    const found = diagnose(
      this.lastView,
      this.parts.catalog,
      counters,
      this.now(),
      this.parts.label ?? portLabel,
    );
    const more = this.parts.more?.() ?? [];
    const state = [...(await this.checkStore()), ...this.repairedState()];
    this.publish([...this.checkFile(), ...found, ...more, ...unwritten, ...state]);
  }

  private count(steps: readonly Step[], failures: readonly Failure[]): void {
    for (const step of steps) this.meter.steps.count(step.do);
    for (const { step } of failures) this.meter.failedSteps.count(step.do);
  }

  private checkFile(): FindingDraft[] {
    const { refusal, awaitingRestart } = this.parts.catalog;
    const waits = `${awaitingRestart.join('; ')} in the configuration file`;
    return [
      ...(refusal === null ? [] : [finding('CONFIG_REFUSED', 'configuration', refusal)]),
      ...(awaitingRestart.length === 0 ? [] : [finding('CONFIG_NEEDS_RESTART', 'configuration', waits)]),
    ];
  }

  private async checkStore(): Promise<FindingDraft[]> {
    const problem = await this.parts.store.check();
    if (problem === null) return [];
    if (problem.kind === 'removed')
      return [finding('STATE_REMOVED', 'state', `the state directory is lost: ${problem.reason}`)];
    return [finding('STATE_FAILED', 'state', `changes cannot be written: ${problem.reason}`)];
  }

  private repairedState(): FindingDraft[] {
    const { repaired } = this.parts.store;
    if (repaired === 0) return [];
    const lines = repaired === 1 ? 'a damaged line' : `${repaired} damaged lines`;
    return [
      finding('STATE_REPAIRED', 'state', `the disk gave back ${lines} of the state, put right at start`),
    ];
  }

  private imagine(): Picture {
    const { catalog, store } = this.parts;
    const peers = catalog.peers();
    this.parts.resolver.keepOnly(new Set(peers.map(({ address }) => address)));
    const intent = {
      hostId: store.hostId,
      config: catalog.config,
      faults: this.faults,
      networks: catalog.networks().map((network) => ({ ...network, limits: catalog.limitsOf(network) })),
      shadowed: catalog.shadowed(),
      peers,
      ports: catalog.ports(),
      entries: catalog.entries(),
    };
    return desire(intent, this.surroundings.observe(peers));
  }

  private tellRestored(steps: readonly Step[], failures: readonly Failure[]): void {
    const { catalog, events, log } = this.parts;
    const ports = new Map(catalog.ports().map((port) => [port.id, port]));
    for (const id of this.linked) if (!ports.has(id)) this.linked.delete(id);
    for (const step of steps) {
      if (step.do !== 'create-tap' && step.do !== 'reattach-tap') continue;
      const port = ports.get(step.port.id);
      if (port === undefined || failures.some((failure) => failure.step === step)) continue;
      if (step.do === 'create-tap' && this.linked.has(port.id)) {
        log.info({ port: port.id }, 'a link that had vanished was made again');
        events.emit('port-restored', `port ${port.id}`, `${portLabel(port)} had vanished and was made again`);
      }
      this.linked.add(port.id);
    }
  }

  /** Of the attached endpoints, whether their link is up in a sandbox. */
  private endpointsUp({ actual, picture }: View): Map<string, boolean> {
    const roaming = picture.desired.ports.filter(({ id, roams }) => roams && actual.ports.has(id));
    return new Map(
      roaming.map((port) => {
        const place = actual.places.get(port.id);
        const away = place?.state === 'present' && place.path !== null;
        return [port.id, away && linkOf(port, actual.namespaces.get(place.cookie))?.up === true];
      }),
    );
  }

  private now(): number {
    return this.parts.now?.().getTime() ?? steadyNow();
  }

  private offloads(): PortOffloads {
    const { tso, uso, coalesceTcp, coalesceUdp } = this.usedOffloads();
    return { tso, uso, coalesceTcp, coalesceUdp };
  }

  private usedOffloads(): Record<OffloadName, boolean> {
    return usedOffloads(this.parts.catalog.config.underlay.offloads, this.faults);
  }

  private get faults(): OffloadFaults {
    return this.parts.faults ?? noFaults;
  }

  private publish(drafts: Parameters<FindingList['replace']>[0]): void {
    const { events, log } = this.parts;
    const { appeared, cleared } = this.list.replace(drafts);
    for (const { code, object, message, severity } of appeared) {
      log[severity === 'warning' ? 'warn' : severity]({ finding: code, object }, message);
      events.emit('finding', object, `${message} (${code})`);
    }
    for (const { code, object, message } of cleared) {
      log.info({ finding: code, object }, `over: ${message}`);
      events.emit('finding-cleared', object, `over: ${message} (${code})`);
    }
  }
}
