/** Shows the configuration in force, and where each value comes from. */
import { stringify } from 'yaml';
import { formatPath, type LoadedConfig } from './load.js';

export interface ConfigValue {
  /** `underlay.port` */
  path: string;
  value: unknown;
  origin: 'default' | 'file';
  /** Line in the file; null for a default. */
  line: number | null;
}

/** Every value in force, in the order of the file's documentation. */
export function configValues({ config, lines }: LoadedConfig): ConfigValue[] {
  const values: ConfigValue[] = [];
  walk(config, [], (path, value) => {
    const line = lineOf(lines, path);
    values.push({ path: formatPath(path), value, origin: line === null ? 'default' : 'file', line });
  });
  return values;
}

/** The same as a table for people: `underlay.port: 4789  # default`. Durations are in seconds. */
export function describeConfig(loaded: LoadedConfig): string {
  const rows = configValues(loaded).map(({ path, value, line }) => ({
    left: `${path}: ${stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}`,
    right: line === null ? '# default' : `# ${loaded.file}:${line}`,
  }));
  const width = Math.min(60, Math.max(...rows.map(({ left }) => left.length)));
  return rows.map(({ left, right }) => `${left.padEnd(width)}  ${right}\n`).join('');
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

/** The line of the key, or of the nearest parent that the file wrote as one value (a list, or a peer as a string). */
function lineOf(lines: ReadonlyMap<string, number>, path: (string | number)[]): number | null {
  const own = lines.get(formatPath(path));
  if (own !== undefined) return own;
  const element = path.findIndex((key) => typeof key === 'number');
  if (element < 0) return null;
  // Keys that a peer's mapping leaves away are defaults, but the elements of a list come from where the list is.
  return element === path.length - 1 || path.at(-1) === 'address'
    ? (lines.get(formatPath(path.slice(0, element))) ?? null)
    : null;
}
