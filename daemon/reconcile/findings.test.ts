import { describe, expect, it } from 'vitest';
import { parse } from '../cli/parser.js';
import { FindingList, finding, findingTable } from './findings.js';

describe('every finding', () => {
  it.each(Object.entries(findingTable))('%s says in sentences what it means and what to type', (_, kind) => {
    expect(kind.meaning).toMatch(/^[A-Z].*\.$/);
    expect(kind.remedy).toMatch(/^[A-Za-z].*\.$/);
    // A command, or a key of the configuration with its value.
    expect(kind.remedy).toMatch(/"[a-z][\w.-]*:? [^"]+"/);
    // No cell of a table of the documentation is cut.
    expect(`${kind.meaning}${kind.remedy}`).not.toMatch(/[|\n]/);
  });

  it.each(Object.entries(findingTable))(
    '%s names only commands of weft that can be typed',
    async (_, { remedy }) => {
      for (const [, line = ''] of remedy.matchAll(/"weft ([^"]+)"/g))
        expect(await parse(line.split(' '), 100), line).toMatchObject({ kind: 'command' });
    },
  );
});

describe('a list of findings', () => {
  const list = () => {
    let now = 0;
    return new FindingList(() => new Date(1000 * now++));
  };

  it('has the worst first, and those of one severity as they were found', () => {
    const findings = list();
    findings.replace([
      finding('DOCKER_SPEC_FILE', 'file', 'x'),
      finding('PORT_DOWN', 'port p-1', 'x'),
      finding('STATE_FAILED', 'state', 'x'),
      finding('NETNS_GONE', 'port p-2', 'x'),
    ]);
    expect(findings.all.map(({ code }) => code)).toEqual([
      'STATE_FAILED',
      'PORT_DOWN',
      'NETNS_GONE',
      'DOCKER_SPEC_FILE',
    ]);
  });

  it('tells of each change once, and keeps since when it holds while its sentence changes', () => {
    const findings = list();
    const first = findings.replace([finding('PORT_REFUSED', 'port p-1', '1 frame')]);
    const again = findings.replace([finding('PORT_REFUSED', 'port p-1', '2 frames')]);
    expect([first.appeared.length, again.appeared, again.cleared]).toEqual([1, [], []]);
    expect(findings.all).toMatchObject([{ message: '2 frames', since: '1970-01-01T00:00:00.000Z' }]);
    expect(findings.replace([]).cleared).toMatchObject([{ object: 'port p-1' }]);
    expect(findings.all).toEqual([]);
  });
});
