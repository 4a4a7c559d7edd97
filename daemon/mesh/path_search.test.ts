import { describe, expect, it } from 'vitest';
import type { Reply } from './hellos.js';
import { searchPath } from './path_search.js';

const answered: Reply = { outcome: 'answered', microseconds: 100 };
const silence: Reply = { outcome: 'silence' };

/** A path that carries so many bytes; counts what is sent, and loses what `lose` says. */
function path(carries: number, lose: (sent: number) => boolean = () => false) {
  const sizes: (number | null)[] = [];
  const ask = async (bytes: number | null): Promise<Reply> => {
    sizes.push(bytes);
    if (lose(sizes.length)) return silence;
    return bytes === null || bytes <= carries ? answered : silence;
  };
  return { ask, sizes };
}

describe('what a path carries', () => {
  it('is what was asked about, with one datagram, where that arrives', async () => {
    const { ask, sizes } = path(1500);
    expect(await searchPath(ask, 576, 1500)).toEqual({ known: true, bytes: 1500 });
    expect(sizes).toEqual([1500]);
  });

  it('is found to the byte, with few datagrams', async () => {
    for (const [least, most] of [
      [576, 1500],
      [1280, 1500],
      [576, 9050],
      [1280, 1281],
      [1280, 1282],
    ] as const) {
      for (let carries = least; carries <= most; carries += Math.max(1, Math.floor((most - least) / 97))) {
        const { ask, sizes } = path(carries);
        expect(await searchPath(ask, least, most), `${carries} of ${most}`).toEqual({
          known: true,
          bytes: carries,
        });
        expect(sizes.length).toBeLessThan(90);
        for (const size of sizes) if (size !== null) expect(size).toBeGreaterThan(least);
        for (const size of sizes) if (size !== null) expect(size).toBeLessThanOrEqual(most);
      }
    }
  });

  it('is the least where less than that arrives, as long as small datagrams do', async () => {
    expect(await searchPath(path(500).ask, 576, 1500)).toEqual({ known: true, bytes: 576 });
  });

  it('is not known while nothing arrives, or nothing can be sent', async () => {
    expect(await searchPath(async () => silence, 576, 1500)).toEqual({ known: false });
    const refused: Reply = { outcome: 'failed', error: 'EMSGSIZE' };
    expect(await searchPath(async () => refused, 576, 1500)).toEqual({ known: false });
    const half = async (bytes: number | null) => (bytes !== null && bytes > 1300 ? refused : answered);
    expect(await searchPath(half, 576, 1500)).toEqual({ known: false });
  });

  it('is not known when the peer goes away meanwhile', async () => {
    for (let gone = 2; gone < 50; gone++) {
      const { ask, sizes } = path(1400, (sent) => sent >= gone);
      const result = await searchPath(ask, 576, 1500);
      if (sizes.length >= gone) expect(result, `gone at ${gone}`).toEqual({ known: false });
    }
  });

  it('is right though one datagram of each size is lost', async () => {
    const seen = new Set<number>();
    const ask = async (bytes: number | null): Promise<Reply> => {
      if (bytes === null) return answered;
      const first = !seen.has(bytes);
      seen.add(bytes);
      return !first && bytes <= 1400 ? answered : silence;
    };
    expect(await searchPath(ask, 576, 1500)).toEqual({ known: true, bytes: 1400 });
  });
});
