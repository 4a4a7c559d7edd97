import { it } from 'vitest';
import { bare } from '../../bench/systems/bare.js';
import { kernel } from '../../bench/systems/kernel.js';
import { ovs } from '../../bench/systems/ovs.js';
import { weft } from '../../bench/systems/weft.js';
import { checkSystem } from './bed-checks.js';

// Those that need no package beyond the tests' own. The others are checked as they are made, by every run of the benchmarks.
it.each([bare, kernel, ovs, weft])('$key joins its guests, and nothing of it is left', checkSystem);
