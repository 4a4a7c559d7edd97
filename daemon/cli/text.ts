/** Values as people read them. */

const separated = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 -> "1,234,567". */
export function count(value: number): string {
  return separated.format(value);
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** 1234567 -> "1.23 MB" (powers of 1000); below 1000 exact. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${scaled} B` : `${scaled.toPrecision(3)} ${units[unit]}`;
}

/** 3725 -> "1h 2m"; the two largest units. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return '0s';
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => `${value}${unit}`).join(' ');
}

/** 0.3456 -> "0.346 ms"; three digits. */
export function milliseconds(value: number): string {
  return `${value >= 1000 ? Math.round(value) : value.toPrecision(3)} ms`;
}

/** "1 port", "2 ports". */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** The first 12 digits of a long ID, as Docker prints it. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** Control characters, the marks that reorder text, and line separators. */
const unsafe = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** The value with all strings in it made safe for a terminal: names from containers and peers could carry escape sequences. */
export function printable<T>(value: T): T {
  if (typeof value === 'string') return value.replace(unsafe, '\ufffd') as T;
  if (Array.isArray(value)) return value.map(printable) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, printable(item)])) as T;
}
