/** Shows the configuration in force, and where each value comes from. */
import { stringify } from 'yaml';
import type { LoadedConfig } from './load.js';
import { formatPath } from './path.js';

export interface ConfigValue {
  /** `underlay.port` */
  path: string;
  /** The same, step by step. */
  steps: readonly (string | number)[];
  value: unknown;
  origin: 'default' | 'file';
  /** Line in the file; null for a default. */
  line: number | null;
}

/** Every value in force, in the order of the file's documentation. */
export function configValues({ config, lines }: LoadedConfig): ConfigValue[] {
  const values: ConfigValue[] = [];
  walk(config, [], (path, value) => {
    const line = lineOf(lines, path, value);
    values.push({
      path: formatPath(path),
      steps: path,
      value,
      origin: line === null ? 'default' : 'file',
      line,
    });
  });
  return values;
}

/** The same as a table for people: `underlay.port: 4789  # default`. Durations are as the file has them. */
export function describeConfig(loaded: LoadedConfig): string {
  const rows = configValues(loaded).map(({ path, value, line }) => ({
    left: `${path}: ${stringify(asInFile(path, value), { collectionStyle: 'flow', lineWidth: 0 }).trim()}`,
    right: line === null ? '# default' : `# ${loaded.file}:${line}`,
  }));
  const width = Math.min(60, Math.max(...rows.map(({ left }) => left.length)));
  return rows.map(({ left, right }) => `${left.padEnd(width)}  ${right}\n`).join('');
}

/** In the configuration in force durations are seconds; the file needs their unit. */
function asInFile(path: string, value: unknown): unknown {
  return typeof value === 'number' && /\.(age|window|freeze)$/.test(path) ? `${value}s` : value;
}

function walk(
  value: unknown,
  path: (string | number)[],
  give: (path: (string | number)[], value: unknown) => void,
): void {
  const children: [string | number, unknown][] =
    value === null || typeof value !== 'object'
      ? []
      : Array.isArray(value)
        ? [...value.entries()]
        : Object.entries(value);
  if (children.length === 0) give(path, value);
  for (const [key, child] of children) if (child !== undefined) walk(child, [...path, key], give);
}

/** The line of the key; of the whole peer, where the file has it as one string. */
function lineOf(
  lines: ReadonlyMap<string, number>,
  path: (string | number)[],
  value: unknown,
): number | null {
  const own = lines.get(formatPath(path));
  if (own !== undefined) return own;
  const key = path.at(-1);
  const inString = path[0] === 'peers' && (key === 'address' || (key === 'port' && value !== null));
  return inString ? (lines.get(formatPath(path.slice(0, -1))) ?? null) : null;
}
