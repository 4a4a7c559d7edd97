/**
 * One release: a folder with everything that weft and weftd need to run but the kernel and the C library. Its name is made from its
 * content, so that two of one name are the same.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { moduleClosure } from './imports.js';
import { type Locked, neededFiles, neededPackages, type Target } from './modules.js';

/** Where releases are on the host that runs them. */
export const libraryFolder = '/usr/lib/weft';

export interface Source {
  /** The checkout, built. */
  root: string;
  /** The addon, of the target's architecture. */
  addon: string;
  /** node_modules of the target's architecture lies in it. */
  modulesRoot: string;
  /** Of the release; package.json's unless a build between two releases says otherwise. */
  version: string;
  /** The node to run it with, and whether the release holds a copy of it or a link to it. */
  node: { path: string; bundled: boolean };
  target: Target;
}

const programs = { weft: 'dist/daemon/cli/main.js', weftd: 'dist/daemon/main.js' };

/** Makes the release below `libraryFolder` of `destination` and returns its name. */
export function makeRelease(source: Source, destination: string): string {
  const { root, modulesRoot, target } = source;
  const library = join(destination, libraryFolder);
  const making = join(library, '.making');
  const digest = createHash('sha256');
  const put = (path: string, from: string, mode = 0o644): void => {
    const to = join(making, path);
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
    copyFileSync(from, to);
    chmodSync(to, mode);
    digest.update(`${path}\0`).update(readFileSync(from));
  };

  const entries = Object.values(programs).map((path) => join(root, path));
  for (const file of moduleClosure(entries)) put(relative(root, file), file);
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  for (const path of neededPackages(modulesRoot, lock.packages, target))
    for (const file of neededFiles(join(modulesRoot, path), target))
      put(join(path, file), join(modulesRoot, path, file));
  put('build/native/weft.node', source.addon);
  put('LICENSE', join(root, 'LICENSE'));

  const { name, license, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  const manifest = `${JSON.stringify({ name, version: source.version, license, type, private: true }, null, 2)}\n`;
  writeFileSync(join(making, 'package.json'), manifest, { mode: 0o644 });
  digest.update(manifest);

  mkdirSync(join(making, 'bin'), { mode: 0o755 });
  if (source.node.bundled) put('bin/node', source.node.path, 0o755);
  else {
    symlinkSync(source.node.path, join(making, 'bin/node'));
    digest.update(source.node.path);
  }
  const release = `${source.version}-${digest.digest('hex').slice(0, 12)}`;
  for (const [program, script] of Object.entries(programs))
    writeFileSync(join(making, 'bin', program), launcher(join(libraryFolder, release), script), {
      mode: 0o755,
    });
  renameSync(making, join(library, release));
  symlinkSync(join(release, 'bin'), join(library, 'bin'));
  return release;
}

/** Names its own release, so that a program that is started while another release takes over runs one of the two and no mixture. */
function launcher(home: string, script: string): string {
  return `#!/bin/sh\nexec ${home}/bin/node ${home}/${script} "$@"\n`;
}

/** A copy of an addon in `folder` without what only a debugger reads, which is nine tenths of it. `strip` is that of its architecture. */
export function stripped(addon: string, strip: string, folder: string): string {
  const file = join(folder, 'weft.node');
  execFileSync(strip, ['--strip-unneeded', '-o', file, addon]);
  return file;
}
