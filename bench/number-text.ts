import type { Spread } from './summary.js';

/** About three significant digits, and no exponent. */
export function numberText(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return value.toFixed(1);
  if (magnitude >= 0.1) return value.toFixed(2);
  return value.toPrecision(2);
}

/** `8.90 (8.74-9.21)`: the median and how far values reach; the value alone where there is one, a dash for none. */
export function spreadText(values: Spread | null): string {
  if (values === null) return '-';
  if (values.low === values.high) return numberText(values.median);
  return `${numberText(values.median)} (${numberText(values.low)}-${numberText(values.high)})`;
}
