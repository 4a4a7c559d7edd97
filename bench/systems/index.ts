import { bare } from './bare.js';
import { kernel } from './kernel.js';
import { ovs } from './ovs.js';
import { swarm } from './swarm.js';
import type { System } from './system.js';
import { weft } from './weft.js';

/** What is measured, in the order of the tables. weft is the one that the others are compared with. */
export const systems: readonly System[] = [weft, kernel, bare, swarm, ovs];
