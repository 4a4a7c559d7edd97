/** Every metric there is, in the order in which a scrape and docs/metrics.md have them. */
import { controlMetrics } from './control.js';
import type { Metric } from './definition.js';
import { frameMetrics } from './frames.js';
import { hostMetrics } from './host.js';
import { networkMetrics } from './networks.js';
import { peerMetrics } from './peers.js';
import { portMetrics } from './ports.js';
import { processMetrics } from './process.js';

export const sections: readonly { title: string; metrics: readonly Metric[] }[] = [
  { title: 'The host', metrics: hostMetrics },
  { title: 'Frames', metrics: frameMetrics },
  { title: 'Ports', metrics: portMetrics },
  { title: 'Peers', metrics: peerMetrics },
  { title: 'Networks, FDB and addresses', metrics: networkMetrics },
  { title: 'The control plane', metrics: controlMetrics },
  { title: 'The process', metrics: processMetrics },
];
