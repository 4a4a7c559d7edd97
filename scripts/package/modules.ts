/** Which files of node_modules are needed to run: those of the dependencies that package-lock.json knows, without what only builds or tests. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of one entry of `packages` in package-lock.json. */
export interface Locked {
  version?: string;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
}

/** What the copy is for. */
export interface Target {
  /** As Node has it: `x64`, `arm64`. */
  cpu: string;
  /** NODE_MODULE_VERSION of the Node that is bundled; null when it may be any, and addons must do with N-API. */
  abi: string | null;
}

/** Folders at the top of a package that nobody imports. A folder of such a name deeper down may be code. */
const idle = new Set(
  'test tests __tests__ doc docs docsify example examples bench benchmark benchmarks coverage fixtures .github'.split(
    ' ',
  ),
);

/**
 * The packages, as paths below the checkout, such as `node_modules/yargs/node_modules/string-width`. Throws when one that is not optional
 * for the target is not installed in `root`.
 */
export function neededPackages(
  root: string,
  lock: Readonly<Record<string, Locked>>,
  target: Target,
): string[] {
  return Object.entries(lock).flatMap(([path, entry]) => {
    if (path === '' || entry.dev === true || entry.devOptional === true || forBuilding.test(path)) return [];
    const fits = (entry.os?.includes('linux') ?? true) && (entry.cpu?.includes(target.cpu) ?? true);
    if (!fits) return [];
    if (existsSync(join(root, path, 'package.json'))) return [path];
    if (entry.optional === true) return [];
    throw new Error(`${path} is not installed: npm run setup`);
  });
}

/** Headers that only compilers read, though packages say that they depend on them. */
const forBuilding = /(^|\/)node_modules\/node-addon-api$/;

/** The files of one package, as paths below it. */
export function neededFiles(directory: string, target: Target): string[] {
  const files: string[] = [];
  const walk = (below: string): void => {
    for (const item of readdirSync(join(directory, below), { withFileTypes: true })) {
      const path = join(below, item.name);
      // Packages inside a package stand in package-lock.json by themselves.
      const skipped = item.name === 'node_modules' || (below === '' && idle.has(item.name));
      if (item.isDirectory() && !skipped) walk(path);
      else if (item.isFile()) files.push(path);
    }
  };
  walk('');
  return onlyFitting(files.filter(isNeeded), target).sort();
}

function isNeeded(path: string): boolean {
  const name = path.split('/').at(-1) ?? '';
  if (/^(licen[cs]e|notice|copying)/i.test(name)) return !/\.(js|ts)$/.test(name);
  if (/\.(test|spec|bench)\.[cm]?js$/.test(name)) return false;
  return /\.([cm]?js|json|node|wasm)$/.test(name) && !/^(tsconfig|package-lock|\.)/.test(name);
}

/**
 * Of the addons that a package brings prebuilt, those for this target: `node.abi115.glibc.node` beside `node.napi.glibc.node` is for one
 * Node only, and faster with it.
 */
function onlyFitting(files: readonly string[], { abi }: Target): string[] {
  const forAbi = `.abi${abi}.`;
  const hasOwn = files.some(
    (file) => file.endsWith('.node') && file.includes(forAbi) && !file.includes('musl'),
  );
  return files.filter((file) => {
    if (!file.endsWith('.node')) return true;
    if (file.includes('musl')) return false;
    if (hasOwn && abi !== null) return file.includes(forAbi);
    return abi === null || !/\.abi\d+\./.test(file);
  });
}
