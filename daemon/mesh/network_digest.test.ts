import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  digestOf,
  type NamedVni,
  readPage,
  readQuestion,
  writePage,
  writeQuestion,
} from './network_digest.js';

const blue = { name: 'blue', vni: 42 };
const red = { name: 'red', vni: 43 };

describe('the digest', () => {
  it('is the same in any order, and another for another VNI or name', () => {
    expect(digestOf([red, blue])).toBe(digestOf([blue, red]));
    const others = [[blue], [{ ...blue, vni: 41 }, red], [{ ...blue, name: 'blau' }, red], []];
    expect(new Set([[blue, red], ...others].map(digestOf)).size).toBe(5);
  });

  it('is the published one', () => {
    // By sha256sum, of "42 blue\n43 red\n".
    expect(digestOf([blue, red]).toString(16).padStart(16, '0')).toBe('3d3505aec41ce662');
  });
});

describe('the list', () => {
  const names = fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,62}$/);
  const lists = fc.uniqueArray(fc.record({ name: names, vni: fc.integer({ min: 1, max: 0xfffffe }) }), {
    selector: ({ vni }) => vni,
  });

  it('is read as it was written, page by page, each within its room', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 80, max: 1160 }), (networks, room) => {
        const all: NamedVni[] = [];
        for (let more = true; more; ) {
          const after = readQuestion(writeQuestion(all.at(-1)?.vni ?? 0)) ?? 0;
          const page = writePage(networks, after, room);
          expect(page.length).toBeLessThanOrEqual(room);
          const read = readPage(page);
          all.push(...(read?.networks ?? []));
          more = read?.more ?? false;
        }
        expect(all).toEqual([...networks].sort((one, other) => one.vni - other.vni));
      }),
    );
  });

  it('of any bytes is read or refused, and has names and ascending VNIs only', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = readPage(Buffer.from(bytes));
        let last = 0;
        for (const { name, vni } of read?.networks ?? []) {
          expect(name).toMatch(/^[a-z0-9._:/-]+$/);
          expect(vni).toBeGreaterThan(last);
          last = vni;
        }
      }),
    );
    const sequence = Buffer.concat([Buffer.from([0, 0, 0, 42, 3]), Buffer.from('\x1b[m')]);
    expect(readPage(sequence)).toBeNull();
    expect(readPage(Buffer.alloc(0))).toBeNull();
    expect(readPage(Buffer.from([0, 0, 0, 42, 4, 97]))).toBeNull();
    expect(readQuestion(Buffer.from([1, 2]))).toBeNull();
  });
});
