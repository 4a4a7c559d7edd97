import { describe, expect, it } from 'vitest';
import type { EndpointRecord } from '../model/objects.js';
import { lodge, type Sight } from './lodging.js';

const minute = 60_000;
const made: EndpointRecord = { engineNetwork: 'n', sandbox: null, bootId: 'boot-1', since: 0 };
const joined = (cookie: string | null): EndpointRecord => ({
  ...made,
  sandbox: { path: '/run/docker/netns/1', cookie },
});
const sight = (changes: Partial<Sight> = {}): Sight => ({
  link: null,
  sandbox: null,
  home: '1',
  attached: false,
  pins: false,
  bootId: 'boot-1',
  now: 1000,
  ...changes,
});
const here = { path: null, cookie: '1' };
const inSandbox = { path: '/run/docker/netns/1', cookie: '7' };

describe('lodge', () => {
  it.each<[string, EndpointRecord, Partial<Sight>, string]>([
    ['of an earlier boot', made, { bootId: 'boot-2', link: here }, 'dead'],
    ['at home before Join', made, { link: here, attached: true }, 'present'],
    ['made, but its link vanished', made, {}, 'present'],
    ['that left, its link gone with its container', { ...made, left: true }, {}, 'gone'],
    ['made, and never joined', made, { link: here, now: 6 * minute }, 'dead'],
    [
      'in its sandbox',
      joined('7'),
      { link: inSandbox, sandbox: { state: 'present', cookie: '7' } },
      'present',
    ],
    [
      'in its sandbox for long',
      joined('7'),
      { link: inSandbox, sandbox: { state: 'present', cookie: '7' }, now: 1e9 },
      'present',
    ],
    ['joined, not moved yet', joined(null), { link: here, sandbox: { state: 'absent' } }, 'present'],
    [
      'back home, its sandbox gone',
      joined('7'),
      { link: here, sandbox: { state: 'absent' }, now: minute },
      'dead',
    ],
    [
      'seen at home in an older list, while its sandbox cannot be looked at',
      joined('7'),
      { link: here, attached: true, sandbox: { state: 'unsure', reason: 'EMFILE' } },
      'present',
    ],
    [
      'seen at home in an older list, while it is moved',
      joined('7'),
      { link: here, attached: true, sandbox: { state: 'present', cookie: '7' } },
      'present',
    ],
    [
      'back home for long, its container running without it',
      joined('7'),
      { link: here, attached: true, sandbox: { state: 'present', cookie: '7' }, now: 6 * minute },
      'dead',
    ],
    ['left at home', joined(null), { link: here, sandbox: { state: 'absent' }, now: 6 * minute }, 'dead'],
    [
      'between two places',
      joined('7'),
      { attached: true, sandbox: { state: 'present', cookie: '7' } },
      'gone',
    ],
    ['deleted inside', joined('7'), { sandbox: { state: 'present', cookie: '7' } }, 'gone'],
    ['joined, its sandbox not mounted', joined(null), { sandbox: { state: 'absent' } }, 'gone'],
    [
      'joined, its sandbox never seen',
      joined(null),
      { sandbox: { state: 'absent' }, now: 2 * minute },
      'dead',
    ],
    ['of a container that is gone', joined('7'), { sandbox: { state: 'absent' } }, 'dead'],
    [
      'that only our descriptor keeps',
      joined('7'),
      { attached: true, pins: true, sandbox: { state: 'absent' } },
      'dead',
    ],
    [
      'out of sight, but alive',
      joined('7'),
      { attached: true, sandbox: { state: 'absent' }, now: 1e9 },
      'gone',
    ],
    ['nobody can tell of', joined('7'), { sandbox: { state: 'unsure', reason: 'EMFILE' } }, 'unsure'],
    ['whose home cannot be listed', made, { home: null }, 'unsure'],
    ['that left, its link still moving', made, { attached: true, now: 1e9 }, 'gone'],
  ])('an endpoint %s', (_, endpoint, changes, state) => {
    expect(lodge(endpoint, sight(changes)).state).toBe(state);
  });
});
