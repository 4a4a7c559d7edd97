/** Reads the configuration file. All mistakes are reported at once, each with its place in the file. */
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import type { WeftError } from '../errors.js';
import { MistakenConfig } from './mistakes.js';
import { formatPath, type KeyPath } from './path.js';
import { type FileText, readConfigFile } from './read_file.js';
import { brokenRules } from './rules.js';
import { type Config, ConfigSchema } from './schema.js';

export const defaultConfigFile = '/etc/weft/weft.yaml';

export interface LoadedConfig {
  config: Config;
  /** null when there is no file. */
  file: string | null;
  /** Line of each key that the file sets, by dotted path. */
  lines: ReadonlyMap<string, number>;
}

/** Reads `file`, or gives the defaults when it is absent and `mayBeAbsent`. Throws WEFT_CONFIG or WEFT_CONFIG_UNREADABLE. */
export function loadConfig(file: string, mayBeAbsent: boolean): LoadedConfig {
  let content: FileText;
  try {
    content = readConfigFile(file);
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code === 'ENOENT' && mayBeAbsent)
      return { config: ConfigSchema.parse({}), file: null, lines: new Map() };
    throw error;
  }
  if ('problem' in content) throw refusal(file, content.problem);
  return parseConfig(content.text, file);
}

/** Throws WEFT_CONFIG that names every mistake as `file:line:column: key: what was expected; got what`. */
export function parseConfig(source: string, file: string): LoadedConfig {
  const counter = new LineCounter();
  // Aliases are data that multiplies: a few lines can stand for gigabytes.
  const document = parseDocument(source, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0)
    throw MistakenConfig.of(document.errors, ({ code, message, pos: [offset] }) => ({
      place: at(offset),
      text:
        code === 'DUPLICATE_KEY'
          ? `the key ${keyAt(source, offset)} is there already`
          : code === 'MULTIPLE_DOCS'
            ? 'a second YAML document starts here; a configuration is one document'
            : message,
    }));

  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    throw refusal(file, (cause as Error).message);
  }
  const result = ConfigSchema.safeParse(value);
  const mistakes = result.success
    ? brokenRules(result.data)
    : withoutRepeats(result.error.issues.flatMap(mistakesOf));
  if (!result.success) mistakes.push(...rulesBrokenByTheRest(value, mistakes));
  if (!result.success || mistakes.length > 0) {
    throw MistakenConfig.of(mistakes, ({ path, message }) => {
      const got = message.startsWith('expected') ? gotOf(value, path) : '';
      return { place: at(offsetOf(document, path)), text: `${formatPath(path)}: ${message}${got}` };
    });
  }
  return { config: result.data, file, lines: linesOf(document, counter) };
}

/** One value can break two rules that read alike, such as to be whole and to be in a range. */
function withoutRepeats<T extends { path: KeyPath; message: string }>(mistakes: readonly T[]): T[] {
  const keyOf = ({ path, message }: T) => `${formatPath(path)}: ${message}`;
  return [...new Map(mistakes.map((mistake) => [keyOf(mistake), mistake])).values()];
}

/** What the values that are valid break between them, so that one round of corrections is enough. */
function rulesBrokenByTheRest(
  value: unknown,
  mistakes: readonly { path: KeyPath }[],
): { path: KeyPath; message: string }[] {
  const rest = structuredClone(value);
  for (const { path } of mistakes) {
    // A list goes as a whole, or the elements behind the mistake would be reported by a wrong index.
    const element = path.findIndex((key) => typeof key === 'number');
    remove(rest, element < 0 ? path : path.slice(0, element));
  }
  const result = ConfigSchema.safeParse(rest);
  return result.success ? brokenRules(result.data) : [];
}

function remove(value: unknown, path: KeyPath): void {
  const [key, ...below] = path;
  if (key === undefined || typeof value !== 'object' || value === null) return;
  const mapping = value as Record<PropertyKey, unknown>;
  if (below.length === 0) delete mapping[key];
  else remove(mapping[key], below);
}

function refusal(place: string, text: string): WeftError {
  return MistakenConfig.of([text], () => ({ place, text }));
}

/** The key that is written at the offset, quoted. */
function keyAt(source: string, offset: number): string {
  const [key = ''] =
    /^(?:"[^"\n]*"|'[^'\n]*'|(?::(?!\s)|[^:,{}[\]\n])*)/.exec(source.slice(offset, offset + 300)) ?? [];
  return /^["']/.test(key) ? key : `"${key.trim()}"`;
}

function mistakesOf(issue: z.core.$ZodIssue): { path: KeyPath; message: string }[] {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, index) => ({
        path: [...issue.path, key],
        message: messages[index] ?? 'there is no such key',
      }));
    }
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path: issue.path, message }));
    case 'invalid_type':
      return [
        {
          path: issue.path,
          message: issue.message.startsWith('Invalid input') ? `expected ${issue.expected}` : issue.message,
        },
      ];
    default:
      return [{ path: issue.path, message: issue.message }];
  }
}

/** `; got "abc"`: what stands there, or that nothing does. */
function gotOf(value: unknown, path: KeyPath): string {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return '; the key is missing';
    here = (here as Record<PropertyKey, unknown>)[key];
  }
  const text = typeof here === 'number' ? numberText(here) : (JSON.stringify(here) ?? String(here));
  return `; got ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}

/** As YAML has it. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  return Number.isFinite(value) ? String(value) : value > 0 ? '.inf' : '-.inf';
}

/** Where the key stands, else its nearest parent. */
function offsetOf(document: Document, path: KeyPath): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const items = isNode(parent) && 'items' in parent ? (parent.items as unknown[]) : [];
    for (const [index, item] of items.entries()) {
      if (isPair(item) && isScalar(item.key) && String(item.key.value) === String(key))
        return item.key.range?.[0] ?? 0;
      if (isNode(item) && index === key) return item.range?.[0] ?? 0;
    }
  }
  return isNode(document.contents) ? (document.contents.range?.[0] ?? 0) : 0;
}

function linesOf(document: Document, counter: LineCounter): Map<string, number> {
  const lines = new Map<string, number>();
  const walk = (node: unknown, path: PropertyKey[]): void => {
    if (isScalar(node) && path.length > 0)
      lines.set(formatPath(path), counter.linePos(node.range?.[0] ?? 0).line);
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        if (!isScalar(key)) continue;
        const below = [...path, String(key.value)];
        walk(value, below);
        lines.set(formatPath(below), counter.linePos(key.range?.[0] ?? 0).line);
      }
    }
    if (isSeq(node)) for (const [index, item] of node.items.entries()) walk(item, [...path, index]);
  };
  walk(document.contents, []);
  return lines;
}
