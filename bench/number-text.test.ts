import { describe, expect, it } from 'vitest';
import { numberText, spreadText } from './number-text.js';

describe('numberText', () => {
  it.each([
    [0, '0'],
    [1304, '1304'],
    [0.8123, '0.81'],
    [0.01234, '0.012'],
    [12.345, '12.3'],
    [456.78, '457'],
  ])('%d is printed as %s', (value, text) => {
    expect(numberText(value)).toBe(text);
  });
});

describe('spreadText', () => {
  it('shows the median first, and nothing as a dash', () => {
    expect(spreadText({ median: 8.9, low: 8.74, high: 12.21 })).toBe('8.90 (8.74-12.2)');
    expect(spreadText({ median: 8.94, low: 8.94, high: 8.94 })).toBe('8.94');
    expect(spreadText(null)).toBe('-');
  });
});
