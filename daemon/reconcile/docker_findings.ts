/** What keeps Docker and weft apart. Pure. */
import { type Names, notAskedYet } from '../docker/names.js';
import type { PluginState } from '../docker/plugin_state.js';
import { type FindingDraft, finding } from './findings.js';

/** `inUse`: weft has networks of Docker. On a host without Docker, it is no finding that Docker cannot be asked. */
export function dockerFindings(
  plugin: PluginState,
  names: Pick<Names, 'isOff' | 'problems' | 'trouble'>,
  inUse: boolean,
): FindingDraft[] {
  if (plugin.state === 'off') return [];
  const trouble = names.trouble();
  return [
    ...(plugin.state === 'failed'
      ? [
          finding(
            'DOCKER_SOCKET',
            `socket ${plugin.socket}`,
            `Docker cannot use weft: ${plugin.reason ?? 'the reason is not known'}`,
          ),
        ]
      : []),
    ...names.problems().map(({ kind, subject, message }) => finding(codes[kind], subject, message)),
    ...(inUse && trouble !== null && trouble !== notAskedYet && !names.isOff
      ? [finding('DOCKER_UNREACHABLE', 'docker.api', `the names of containers are not known: ${trouble}`)]
      : []),
  ];
}

const codes = {
  'other-plugin': 'DOCKER_OTHER_PLUGIN',
  'spec-file': 'DOCKER_SPEC_FILE',
  'engine-too-old': 'DOCKER_TOO_OLD',
} as const;
