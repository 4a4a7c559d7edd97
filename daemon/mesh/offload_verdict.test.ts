import { describe, expect, it } from 'vitest';
import { type Arrival, type Attempt, judge } from './offload_verdict.js';

const sent = 44;
const whole: Arrival = { sent, missing: [] };
const none: Arrival = { sent, missing: [...Array(sent).keys()] };
const without = (...missing: number[]): Arrival => ({ sent, missing });
const attempts = (...pairs: [plain: Arrival, segmented: Arrival][]): Attempt[] =>
  pairs.map(([plain, segmented]) => ({ plain, segmented }));
const times = (count: number, plain: Arrival, segmented: Arrival): Attempt[] =>
  Array.from({ length: count }, () => ({ plain, segmented }));

describe('the verdict about bursts', () => {
  it('is that they are intact as soon as one arrived whole', () => {
    expect(judge(times(1, whole, whole))).toBe('intact');
    expect(judge(times(1, none, whole))).toBe('intact');
    expect(judge(attempts([whole, none], [whole, whole]))).toBe('intact');
  });

  it('is that they are damaged after three, never sooner', () => {
    expect(judge([])).toBe('again');
    expect(judge(times(1, whole, none))).toBe('again');
    expect(judge(times(2, whole, none))).toBe('again');
    expect(judge(times(3, whole, none))).toBe('damaged');
  });

  it('sees damage that always hits one datagram', () => {
    expect(judge(times(3, whole, without(43)))).toBe('damaged');
    expect(judge(attempts([whole, without(1, 43)], [whole, without(43)], [whole, without(20, 43)]))).toBe(
      'damaged',
    );
  });

  it('sees damage that hits anywhere', () => {
    expect(
      judge(attempts([whole, without(1, 2, 3)], [whole, without(4, 5, 6)], [whole, without(7, 8)])),
    ).toBe('damaged');
  });

  it('takes what is lost here and there for loss', () => {
    expect(judge(attempts([whole, without(1)], [whole, without(2)], [whole, without(3)]))).toBe('intact');
  });

  it('takes twice as many attempts where other datagrams are lost too', () => {
    const lossy = times(3, without(7), without(43));
    expect(judge(lossy)).toBe('again');
    expect(judge([...lossy, ...times(2, whole, without(43))])).toBe('again');
    expect(judge([...lossy, ...times(3, whole, without(43))])).toBe('damaged');
    // What is missing in any burst that was sent one by one proves nothing.
    expect(judge([...lossy, ...times(3, without(43), without(43))])).toBe('intact');
  });

  it('is none when nothing arrives either way', () => {
    expect(judge(times(3, none, none))).toBe('unclear');
  });

  it.each([0.01, 0.05, 0.1, 0.2])('is not fooled by random loss of %d', (loss) => {
    let state = 12345;
    const random = () => {
      // xorshift32
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 32;
    };
    const lose = (): Arrival => without(...[...Array(sent).keys()].filter(() => random() < loss));
    let wrong = 0;
    for (let check = 0; check < 2000; check++) {
      const done: Attempt[] = [];
      while (judge(done) === 'again') done.push({ plain: lose(), segmented: lose() });
      if (judge(done) === 'damaged') wrong++;
    }
    expect(wrong).toBeLessThanOrEqual(loss < 0.2 ? 2 : 10);
  });
});
