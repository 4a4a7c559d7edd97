const LINES = 3;
const CHARACTERS = 400;

/** The beginning of what an error says, on one line, as it stands in progress and tables. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(0, LINES).join(' / ').slice(0, CHARACTERS);
}
