/** The manual pages against what `--help` prints and what the example file has; that they are current is in generate.test.ts. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { completionCommand } from '../../daemon/cli/help.js';
import { parse as parseCommandLine } from '../../daemon/cli/parser.js';
import { commandTree, isGroup } from '../../daemon/cli/tree.js';
import { usage } from '../../daemon/usage.js';
import { generatedFiles } from '../generated.js';
import { plain, prose } from './roff.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const files = generatedFiles(root);
const page = (name: string): string => {
  const content = files.get(`docs/man/${name}`);
  if (content === undefined) throw new Error(`there is no ${name}`);
  return content;
};

/** A page without its requests and escapes, in one line. */
function spoken(name: string): string {
  return page(name)
    .replace(/^\.(SH|SS|TH) /gm, '')
    .replace(/^\.(TP|PP|RS.*|RE|nf|fi|br|nh|ad.*|\\".*)$/gm, '')
    .replace(/\\f[BIR]/g, '')
    .replaceAll('\\(aq', "'")
    .replaceAll('\\(ga', '`')
    .replaceAll('\\(ha', '^')
    .replaceAll('\\(ti', '~')
    .replaceAll('\\-', '-')
    .replaceAll('\\&', '')
    .replaceAll('\\e', '\\')
    .replace(/\s+/g, ' ');
}

/** Everything that follows a name in a list of yargs, without the types that it adds. */
function meanings(help: string): string[] {
  const rows = help.split('\n').filter((line) => /^ {2,}\S.* {2,}\S/.test(line));
  return rows.map((line) =>
    line
      .trim()
      .replace(/^.*? {2,}/, '')
      .replace(/ +\[(string|boolean|array|required|choices:).*$/, ''),
  );
}

const commands = commandTree.flatMap((one) =>
  isGroup(one)
    ? one.commands.map((command) => ({ file: `weft-${one.name}.1`, path: [one.name, command.name] }))
    : [{ file: `weft-${one.name}.1`, path: [one.name] }],
);

describe('a manual page of the command', () => {
  it.each(commands)('$file has what "weft $path --help" says', async ({ file, path }) => {
    const help = await parseCommandLine([...path, '--help'], 2000);
    const stdout = help.kind === 'text' ? help.text : '';
    const told = meanings(stdout);
    expect(told.length).toBeGreaterThan(3);
    const text = spoken(file);
    // yargs's own words for its own two options.
    const foreign = ['Show help', 'Show version number'];
    for (const meaning of told.filter((one) => !foreign.includes(one))) expect(text).toContain(meaning);
    const [usageLine = '', , ...rest] = stdout.split('\n');
    expect(text).toContain(
      usageLine
        .replace(/[<>.]/g, '')
        .split(' ')
        .slice(0, path.length + 1)
        .join(' '),
    );
    expect(text).toContain(rest[0]?.split('. ')[0]);
  });

  it('names all the others in weft(1)', () => {
    const text = spoken('weft.1');
    for (const { path } of commands) expect(text).toContain(` weft ${path.join(' ')} `);
    expect(text).toContain(` weft ${completionCommand} `);
    for (const status of ['0 done', '3 the daemon cannot be reached', 'WEFT_SOCKET', 'NO_COLOR'])
      expect(text).toContain(status);
  });
});

describe('weftd(8)', () => {
  it('has every option of "weftd --help"', () => {
    const options = [...usage().matchAll(/^ {2}(--\S+)/gm)].map(([, option]) => option ?? '');
    expect(options).toContain('--state-dir');
    for (const option of options) expect(spoken('weftd.8')).toContain(` ${option} `);
  });
});

describe('weft.yaml(5)', () => {
  it('has every key of the example', () => {
    const keys: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (Array.isArray(value)) for (const item of value) walk(item, `${path}[]`);
      else if (typeof value === 'object' && value !== null)
        for (const [key, below] of Object.entries(value)) {
          const name = path === 'networks' ? 'NAME' : key;
          walk(below, path === '' ? name : `${path}.${name}`);
        }
      else if (!path.endsWith('[]')) keys.push(path);
    };
    walk(parseYaml(readFileSync(`${root}config/weft.example.yaml`, 'utf8')), '');
    expect(keys).toContain('peers[].checksum');
    expect(keys).toContain('networks.NAME.vni');
    for (const key of keys) expect(spoken('weft.yaml.5')).toContain(` ${key} `);
  });
});

describe('every page', () => {
  const pages = [...files.keys()].filter((name) => name.startsWith('docs/man/'));
  it.each(pages)('%s begins each request on a line of its own, and says a term once', (file) => {
    const text = files.get(file) ?? '';
    expect(text).not.toMatch(/[^\n]\.(SH|SS|TP|PP|RS|RE|nf|fi)\b/);
    for (const part of text.split(/^\.S[HS] /m)) {
      const terms = [...part.matchAll(/^\.TP\n(.*)$/gm)].map(([, term]) => term);
      expect(new Set(terms).size, part.split('\n')[0]).toBe(terms.length);
    }
  });
});

describe('roff', () => {
  it('lets no character of a text mean something', () => {
    expect(plain('.a\\b\n.c')).toBe('\\&.a\\eb\n\\&.c');
    expect(plain("it's --netns `x`")).toBe('it\\(aqs \\-\\-netns \\(gax\\(ga');
  });

  it('begins a line with each sentence, and none with a request', () => {
    expect(prose('A super-frame. The --netns of it. .So')).toBe('A super-frame.\nThe \\-\\-netns of it. .So');
    expect(prose('.hidden')).toBe('\\&.hidden');
  });
});
