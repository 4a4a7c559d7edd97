import { describe, expect, it } from 'vitest';
import { conformancePage, type Requirement, testsIn } from './conformance.js';

const requirement = (id: string): Requirement => ({
  id,
  section: '5',
  level: 'MUST',
  asks: 'a',
  does: 'b',
});

describe('the table of conformance', () => {
  it('finds the names of doctest and of vitest', () => {
    expect(testsIn('a.cc', 'TEST_CASE("V5: one, two") {\nTEST_CASE("no number") {')).toEqual([
      { id: 'V5', file: 'a.cc', name: 'one, two' },
    ]);
    expect(testsIn('b.ts', "  it('V12: a (b)', async () => {\n  it('other', () => {")).toEqual([
      { id: 'V12', file: 'b.ts', name: 'a (b)' },
    ]);
  });

  it('names every test of a requirement', () => {
    const page = conformancePage(
      [requirement('V1')],
      [
        { id: 'V1', file: 'native/test/a.cc', name: 'one' },
        { id: 'V1', file: 'tests/b.ts', name: 'two' },
      ],
    );
    expect(page).toContain('| V1 | 5 | MUST | a | b | `a.cc`: one; `b.ts`: two |');
  });

  it('refuses a requirement without a test, and a test without a requirement', () => {
    expect(() => conformancePage([requirement('V1')], [])).toThrow('requirement V1 has no test');
    const tests = [
      { id: 'V1', file: 'a.cc', name: 'one' },
      { id: 'V2', file: 'a.cc', name: 'two' },
    ];
    expect(() => conformancePage([requirement('V1')], tests)).toThrow('a.cc: there is no requirement V2');
  });
});
