import { describe, expect, it } from 'vitest';
import { type Names, noNames } from '../docker/names.js';
import { noPlugin, type PluginState } from '../docker/plugin_state.js';
import { dockerFindings } from './docker_findings.js';

const listening: PluginState = { socket: '/run/p.sock', state: 'listening', reason: null, activated: null };
const failed: PluginState = {
  ...listening,
  state: 'failed',
  reason: 'another process answers there already',
};
const well: Names = { ...noNames, isOff: false, trouble: () => null };
const away: Names = { ...well, trouble: () => 'there is no socket /var/run/docker.sock' };

function found(plugin: PluginState, names: Names, inUse: boolean): string[] {
  return dockerFindings(plugin, names, inUse).map(
    ({ code, severity, object, message }) => `${severity} ${code} ${object}: ${message}`,
  );
}

describe('what is wrong with Docker', () => {
  it('is nothing when all is well, and on a host without it', () => {
    expect(found(listening, well, true)).toEqual([]);
    expect(found(listening, away, false)).toEqual([]);
  });

  it('is a socket that it cannot use', () => {
    expect(found(failed, well, false)).toEqual([
      'error DOCKER_SOCKET socket /run/p.sock: Docker cannot use weft: another process answers there already',
    ]);
  });

  it('is an API that cannot be asked, only where somebody misses the names', () => {
    expect(found(listening, away, true)).toEqual([
      'info DOCKER_UNREACHABLE docker.api: the names of containers are not known: there is no socket /var/run/docker.sock',
    ]);
    expect(found(listening, noNames, true)).toEqual([]);
  });

  it('is what Docker prefers to weftd', () => {
    const names: Names = {
      ...well,
      problems: () => [
        { kind: 'other-plugin', subject: 'plugin weft:latest', message: 'it wins' },
        { kind: 'spec-file', subject: 'file /etc/x', message: 'it may win' },
        { kind: 'engine-too-old', subject: 'Docker', message: 'it is old' },
      ],
    };
    expect(found(listening, names, false)).toEqual([
      'error DOCKER_OTHER_PLUGIN plugin weft:latest: it wins',
      'info DOCKER_SPEC_FILE file /etc/x: it may win',
      'warning DOCKER_TOO_OLD Docker: it is old',
    ]);
    expect(found(noPlugin.state(), names, false)).toEqual([]);
  });
});
