/** The control plane: how long its work takes, and what of it failed. */
import { counter, gauge, type Metric } from './definition.js';
import { apiSeconds, commitSeconds, dockerSeconds, roundSeconds } from './durations.js';

export const controlMetrics: readonly Metric[] = [
  roundSeconds,
  counter('weft_reconcile_rounds_failed_total', 'Rounds that could not be ended.', [], ({ parts }) => [
    [{}, parts.meters.rounds.failed],
  ]),
  counter('weft_reconcile_steps_total', 'Steps of the rounds, by what they do.', ['step'], ({ parts }) =>
    [...parts.meters.rounds.steps.all()].map(([step, count]) => [{ step }, count]),
  ),
  counter(
    'weft_reconcile_steps_failed_total',
    'Steps that failed; they are tried again in the next round.',
    ['step'],
    ({ parts }) => {
      const failed = parts.meters.rounds.failedSteps.all();
      // From zero on, so that the first failure is an increase.
      return [...parts.meters.rounds.steps.all().keys()].map((step) => [{ step }, failed.get(step) ?? 0]);
    },
  ),
  commitSeconds,
  counter('weft_state_commits_failed_total', 'Changes that could not be written.', [], ({ parts }) => [
    [{}, parts.meters.commits.failed],
  ]),
  counter(
    'weft_api_requests_total',
    'Requests to the REST API. status is 2xx, 4xx or 5xx.',
    ['method', 'route', 'status'],
    ({ parts }) =>
      parts.meters.requests
        .all()
        .map(({ method, route, status, count }) => [{ method, route, status: `${status}xx` }, count]),
  ),
  apiSeconds,
  gauge('weft_docker_endpoints', 'Endpoints of Docker: containers times their networks.', [], (scrape) => [
    [{}, scrape.endpoints],
  ]),
  counter(
    'weft_docker_requests_total',
    'Requests of Docker to the plugin. refused: with a reason that Docker prints; failed: by a defect of weft.',
    ['method', 'outcome'],
    ({ parts }) =>
      parts.dockerRequests.all().map(({ method, outcome, count }) => [{ method, outcome }, count]),
  ),
  dockerSeconds,
];
