import { it } from 'vitest';
import { swarm } from '../../bench/systems/swarm.js';
import { checkSystem } from '../lab/bed-checks.js';

it("Swarm's overlay joins its containers, and nothing of it is left", () => checkSystem(swarm));
