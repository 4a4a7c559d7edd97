/** What every `weft` loads before it knows what it is asked for. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Packages that `entry` and what it imports at once import at once. */
function packagesOf(entry: URL): string[] {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const source = readFileSync(file, 'utf8');
    const imports = source.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;]*?\sfrom\s+)?'([^']+)'/gm);
    for (const [, name = ''] of imports) {
      if (name.startsWith('.')) visit(new URL(name.replace(/\.js$/, '.ts'), file));
      else if (!name.startsWith('node:')) packages.add(name);
    }
  };
  visit(entry);
  return [...packages].sort();
}

it('loads no package but those that read the command line', () => {
  // A schema library, an HTTP client or a YAML parser each takes longer than all of these.
  expect(packagesOf(new URL('main.ts', import.meta.url))).toEqual(['ipaddr.js', 'yargs']);
});
