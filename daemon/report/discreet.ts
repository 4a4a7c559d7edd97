/** Text and JSON for a bundle, without what messages quote of a configuration file. */

/** Behind the place of a mistake in a configuration, `FILE:LINE:COLUMN: `, the file is quoted, whatever the key. Linear in the text. */
export function discreet(text: string): string {
  return text.split('\n').map(discreetLine).join('\n');
}

function discreetLine(line: string): string {
  for (const { index, 0: place } of line.matchAll(/:\d+:\d+: /g)) {
    const file = line.slice(line.lastIndexOf(' ', index) + 1, index);
    if (file.includes('/') || file.endsWith('.yaml'))
      return `${line.slice(0, index + place.length)}(left out)`;
  }
  return line;
}

export function json(value: unknown, space = 2): string {
  const each = (_: string, one: unknown) => (typeof one === 'string' ? discreet(one) : one);
  return `${JSON.stringify(value, each, space)}\n`;
}
