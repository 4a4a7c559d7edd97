/** Pieces of a manual page in man(7), which man-db and mandoc both read. */

/** Text as it is: no character of it means anything to roff. */
export function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replace(/^\./gm, '\\&.');
}

/** Sentences: the hyphen between words is one, each sentence has its line as roff wants it, and what is typed stays as it is. */
export function prose(text: string): string {
  const escaped = plain(text).replace(/(?<=\w)\\-(?=\w)/g, '-');
  return escaped.replace(/(?<=[a-z0-9)"]\.) +(?=[A-Z])/g, '\n').replace(/^\./gm, '\\&.');
}

export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${plain(text)}\\fR`;
}

export function section(title: string, body: string): string {
  return `.SH ${/ /.test(title) ? `"${title}"` : title}\n${body}`;
}

export function subsection(title: string, body: string): string {
  return `.SS "${plain(title)}"\n${body}`;
}

export function paragraph(text: string): string {
  return `.PP\n${text}\n`;
}

/** A term and what it means; the body may be of several paragraphs. */
export function entry(term: string, body: string): string {
  return `.TP\n${term}\n${body}\n`;
}

/** Lines that stay as they are. */
export function verbatim(lines: string): string {
  return `.PP\n.RS 4\n.nf\n${plain(lines.replace(/\n$/, ''))}\n.fi\n.RE\n`;
}

export interface Page {
  name: string;
  section: 1 | 5 | 8;
  /** What NAME says behind the dash. */
  purpose: string;
}

/**
 * A whole page. `sections` follow NAME. The date is left out, so that a page changes only with what it says.
 */
export function manualPage(page: Page, notice: string, version: string, sections: readonly string[]): string {
  const head = `.\\" ${notice}\n.TH "${plain(page.name.toUpperCase())}" ${page.section} "" "weft ${plain(version)}" "weft manual"\n`;
  return `${head}.nh\n.ad l\n${section('NAME', `${plain(page.name)} \\- ${prose(page.purpose)}\n`)}${sections.join('')}`;
}

export interface Reference {
  name: string;
  section: number;
}

export function seeAlso(references: readonly Reference[]): string {
  const all = references.map(({ name, section: number }) => `\\fB${plain(name)}\\fR(${number})`);
  return section('SEE ALSO', `${all.join(',\n')}\n`);
}
