/** Which compiled modules a program consists of. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const importing = /(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s*)'([^'\n]+)'/gm;
const doubleQuoted = /(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s*)"([^"\n]+)"/gm;

/**
 * Absolute paths of all modules that `entries` import, directly or not, at the start or later, themselves included. Packages are left
 * out. Throws for an import() whose module is computed: nobody could tell what it needs.
 */
export function moduleClosure(entries: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    const source = readFileSync(file, 'utf8');
    if (/\bimport\s*\(\s*[^'"\s]/.test(source))
      throw new Error(`${file} imports a module with a computed name`);
    for (const specifier of importedBy(source))
      if (specifier.startsWith('.')) visit(join(dirname(file), specifier));
  };
  for (const entry of entries) visit(entry);
  return [...found].sort();
}

export function importedBy(source: string): string[] {
  return [...source.matchAll(importing), ...source.matchAll(doubleQuoted)].map(
    ([, specifier]) => specifier ?? '',
  );
}
