/** Removes what labs of processes that are gone have left: run after tests that were killed. */
import { removeLeftovers } from './lab.js';

await removeLeftovers();
