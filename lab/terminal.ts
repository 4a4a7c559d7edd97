/** What the demonstrations print, in colour on a terminal. */
const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;

export function paint(code: string, text: string): string {
  return colour ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export function write(text: string): void {
  process.stdout.write(text);
}
