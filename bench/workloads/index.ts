import type { Meter } from '../meter.js';
import { addressExperiments } from './addresses.js';
import { connectionWorkloads } from './connections.js';
import { daemonExperiments } from './daemon.js';
import { echoWorkloads } from './echoes.js';
import { frameCostExperiments } from './frame-cost.js';
import { frameWorkloads, localFrameWorkloads, portFrameWorkloads } from './frames.js';
import { manyGuestWorkloads } from './many-guests.js';
import { memoryExperiments } from './memory.js';
import { microExperiments } from './micro.js';
import { roundTripWorkloads } from './round-trips.js';
import { scaleExperiments } from './scale.js';
import { localTcpWorkloads, tcpWorkloads } from './tcp.js';
import { udpWorkloads } from './udp.js';
import type { Experiment, Workload } from './workload.js';

/** Traffic between the guests of a bed, in the order of the tables. */
export function workloads(meter: Meter): Workload[] {
  return [
    ...tcpWorkloads(meter),
    ...localTcpWorkloads(meter),
    ...udpWorkloads(meter),
    ...frameWorkloads(meter),
    ...portFrameWorkloads(meter),
    ...localFrameWorkloads(meter),
    ...manyGuestWorkloads(meter),
    ...roundTripWorkloads(meter),
    ...echoWorkloads(meter),
    ...connectionWorkloads(meter),
  ];
}

/** What makes its own hosts, or needs none, in the order of the tables. */
export function experiments(meter: Meter): Experiment[] {
  return [
    ...scaleExperiments(meter),
    ...addressExperiments(),
    ...daemonExperiments(),
    ...memoryExperiments(),
    ...microExperiments(),
    ...frameCostExperiments(),
  ];
}
