import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Strangers } from './strangers.js';

describe('strangers', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are told of once, and after ten minutes with how often they were seen', () => {
    const strangers = new Strangers();
    const see = () => strangers.count('10.0.0.9');
    expect([see(), see(), see(), strangers.count('10.0.0.8')]).toEqual([1, null, null, 1]);
    vi.advanceTimersByTime(599_999);
    expect(see()).toBeNull();
    vi.advanceTimersByTime(1);
    expect([see(), see()]).toEqual([4, null]);
  });

  it('are forgotten when there are more than 256', () => {
    const strangers = new Strangers();
    for (let i = 0; i < 257; i++) strangers.count(`10.0.${i >> 8}.${i & 255}`);
    expect([strangers.count('10.0.1.0'), strangers.count('10.0.0.0')]).toEqual([null, 1]);
  });
});
