/** All checks, in the order in which they are printed: from the daemon outwards. */
import type { ApiClient } from '../cli/client.js';
import type { Check } from './check.js';
import { configuration, daemonAnswers, findings, sameVersion, unit } from './daemon_checks.js';
import { firewallCheck } from './firewall_check.js';
import { capabilityCheck, clock, kernel, limits, offloads, state, tun } from './host_checks.js';
import { dockerPlugin, links } from './leftover_checks.js';
import {
  bridgeFilter,
  conntrack,
  duplicateAddress,
  kernelCounters,
  namespaceOf,
  reversePath,
  subnets,
} from './network_checks.js';
import { pathMtuCheck, peersReachable } from './peer_checks.js';
import { udpPort } from './port_check.js';

export function checklist(api: Pick<ApiClient, 'list' | 'post'>): readonly Check[] {
  return [
    ...[daemonAnswers, sameVersion, unit, configuration, findings, namespaceOf],
    ...[kernel, tun, capabilityCheck, offloads, limits, state],
    ...[udpPort, firewallCheck(api), peersReachable, pathMtuCheck(api), reversePath, bridgeFilter, conntrack],
    ...[duplicateAddress, subnets, links, dockerPlugin],
    // What is compared with the beginning comes last.
    ...[kernelCounters, clock],
  ];
}
