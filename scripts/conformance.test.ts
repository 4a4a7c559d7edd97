import { describe, expect, it } from 'vitest';
import type { Mesh, Variant } from '../tests/foreign/peers.js';
import { conformancePage, foreignIn, foreignSection, type Requirement, testsIn } from './conformance.js';

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

describe('the table of foreign peers', () => {
  const variant: Variant = { id: 'one', make: 'Linux', what: 'plain', underlay: 'ipv6' };
  const mesh: Mesh = { id: 'three', makes: ['weft', 'weft', 'FRR'], underlay: 'ipv4' };
  const calls = foreignIn(`speaksTo('one');\nmeshOf('three');\n  it('known: it is so', async () => {`);

  it('has a tick for every behaviour of a peer that is tested, and what is known', () => {
    const page = foreignSection([variant], [mesh], calls);
    expect(page).toMatch(/\| Linux \| IPv6 \| plain \|( ✓ \|){10}\n/);
    expect(page).toMatch(/\| weft, weft, FRR \| IPv4 \|( ✓ \|){3}\n/);
    expect(page).toContain('- it is so.\n');
  });

  it('says why something has no tick', () => {
    const page = foreignSection([{ ...variant, fails: { tcp: 'it is cut' } }], [], calls);
    expect(page).toMatch(/\| plain \|( ✓ \|){3} it is cut \|( ✓ \|){6}\n/);
  });

  it('refuses a peer or a mesh without tests', () => {
    expect(() => foreignSection([{ ...variant, id: 'two' }], [], calls)).toThrow("0 of speaksTo('two')");
    expect(() => foreignSection([], [{ ...mesh, id: 'four' }], calls)).toThrow("0 of meshOf('four')");
  });
});
