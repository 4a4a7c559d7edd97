/** What the files of a bundle are made of. */

import type { ApiClient } from '../cli/client.js';
import type { Diagnosis } from '../doctor/check.js';
import type { Machine } from '../doctor/machine.js';

export interface ReportParts {
  api: ApiClient;
  machine: Machine;
  now: Date;
  /** For the name of the file. */
  stamp: string;
  /** Where weftd has its metrics unless it is told another place. */
  usualMetrics: string;
  diagnose(): Promise<Diagnosis[]>;
  render(diagnoses: readonly Diagnosis[]): string;
}

/** A file of the bundle. */
export interface Source {
  path: string;
  what: string;
  read(): Promise<string> | string;
}

/** Bytes of one file; what is longer loses its middle, for the end of a log says most and its beginning what led to it. */
export const mostBytes = 1024 * 1024;
