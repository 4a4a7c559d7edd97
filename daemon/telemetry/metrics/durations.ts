/** How long the work of the control plane takes: what its meters fill as it goes. */
import { histogram } from './definition.js';

export const roundSeconds = histogram(
  'weft_reconcile_round_seconds',
  'Rounds in which what should be is compared with what is, and repaired.',
  [],
  ({ meters }) => meters.rounds.seconds,
);

export const commitSeconds = histogram(
  'weft_state_commit_seconds',
  'Writing changes to the disk of the state directory.',
  [],
  ({ meters }) => meters.commits.seconds,
);

export const apiSeconds = histogram(
  'weft_api_request_seconds',
  'Until a request to the REST API was answered; a stream of events until it begins.',
  ['route'],
  ({ meters }) => meters.requests.seconds,
);

export const dockerSeconds = histogram(
  'weft_docker_request_seconds',
  'Until a request of Docker was answered.',
  ['method'],
  ({ dockerRequests }) => dockerRequests.seconds,
);

export const lagSeconds = histogram(
  'weft_control_lag_seconds',
  'How late the control plane came to a timer of half a second: what a request may have to wait for.',
  [],
  ({ process }) => process.lag,
  [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5],
);

export const scrapeSeconds = histogram(
  'weft_scrape_busy_seconds',
  'What making the text for a scrape took of the thread of the control plane, in turns of milliseconds.',
  [],
  ({ meters }) => meters.scrapes,
  [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
);
