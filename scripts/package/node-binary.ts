/** Which node an installation runs. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Whether a program needs no library but those of the C and C++ runtime, as the builds of nodejs.org do. The nodes of distributions lean on
 * libraries that an upgrade of the system replaces, so a copy of their program alone would stop working one day.
 */
export function standsAlone(program: string): boolean {
  const headers = execFileSync('readelf', ['--dynamic', '--wide', program], { encoding: 'utf8' });
  const needed = [...headers.matchAll(/\(NEEDED\).*\[(.+?)\]/g)].map(([, library]) => library ?? '');
  return needed.every((library) =>
    /^(lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|atomic)\.so\.\d+|ld-linux.*\.so\.\d+)$/.test(library),
  );
}

/** `bundle` refuses what cannot be; `auto` bundles where it can. */
export function chooseNode(
  wish: 'auto' | 'bundle' | 'system',
  program: string,
): { path: string; bundled: boolean } {
  const path = realpathSync(program);
  if (wish === 'system') return { path: program, bundled: false };
  if (standsAlone(path)) return { path, bundled: true };
  if (wish === 'auto') return { path: program, bundled: false };
  throw new Error(
    `${program} needs libraries of this system, so a copy of it would not last. Build with a node from nodejs.org, or leave it where it is: --node system`,
  );
}

/** The licence that came with a node, which goes where a copy of it goes. Throws when it is at none of the usual places. */
export function nodeLicence(program: string): string {
  const prefix = join(dirname(program), '..');
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE'].map((path) =>
    join(prefix, path),
  );
  const file = places.find((place) => existsSync(place) && readFileSync(place, 'utf8').includes('Node.js'));
  if (file === undefined)
    throw new Error(`a copy of node has to come with its licence, and there is none at ${places.join(', ')}`);
  return readFileSync(file, 'utf8');
}
