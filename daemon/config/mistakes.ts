/** How the mistakes in a configuration file are told: all at once, but never more than a person reads. */
import { WeftError } from '../errors.js';

export const mostMistakes = 20;
const longestText = 200;

/** WEFT_CONFIG with its mistakes one by one, for those who print them as a list. */
export class MistakenConfig extends WeftError {
  /** One line each; the last one is `and N more` where there are more. */
  readonly lines: readonly string[];
  /** Of all mistakes, also those that are not in `lines`. */
  readonly count: number;

  private constructor(lines: readonly string[], count: number) {
    const reason = count === 1 ? (lines[0] ?? '') : `${count} mistakes\n  ${lines.join('\n  ')}`;
    super('WEFT_CONFIG', { reason });
    this.lines = lines;
    this.count = count;
  }

  /** `tell` is asked only for the mistakes that are shown. */
  static of<T>(
    mistakes: readonly T[],
    tell: (mistake: T) => { place: string; text: string },
  ): MistakenConfig {
    const lines = mistakes.slice(0, mostMistakes).map((mistake) => {
      const { place, text } = tell(mistake);
      return `${place}: ${text.length > longestText ? `${text.slice(0, longestText)}…` : text}`;
    });
    if (mistakes.length > lines.length) lines.push(`and ${mistakes.length - lines.length} more`);
    return new MistakenConfig(lines, mistakes.length);
  }
}
