import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ConfigSchema } from '../../daemon/config/schema.js';
import { completionScript, fishCompletion } from './completion.js';
import { importedBy, moduleClosure } from './imports.js';
import { type Locked, neededFiles, neededPackages } from './modules.js';
import { standsAlone } from './node-binary.js';
import { commentedOut, systemFiles, zipped } from './system-files.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const target = { cpu: 'x64', abi: '115' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-package-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, content = ''): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe('moduleClosure', () => {
  it('follows what is imported at the start and later, and stops at packages', () => {
    const main = write('main.js', "import { a } from './a.js';\nconst b = await import('./deep/b.js');\n");
    const a = write('a.js', "import 'pino';\nexport * from './main.js';\n");
    const b = write('deep/b.js', 'import {\n  c,\n} from "../c.js";\n');
    const c = write('c.js');
    write('a.test.js', "import './a.js';\n");
    expect(moduleClosure([main])).toEqual([a, c, b, main].sort());
  });

  it('refuses a module whose name is computed, and one that is not there', () => {
    expect(() => moduleClosure([write('x.js', 'await import(name);')])).toThrow('computed name');
    expect(() => moduleClosure([write('y.js', "import './z.js';")])).toThrow('z.js');
  });

  it('reads one import a statement', () => {
    expect(importedBy("export { x } from './x.js'; import type from './y.js';\nfrom(1);")).toEqual([
      './x.js',
      './y.js',
    ]);
  });
});

describe('the packages of a release', () => {
  const lock: Record<string, Locked> = {
    '': {},
    'node_modules/yargs': { version: '18.2.0' },
    'node_modules/yargs/node_modules/inner': { version: '1.0.0' },
    'node_modules/vitest': { version: '4.1.12', dev: true },
    'node_modules/maybe': { version: '1.0.0', optional: true },
    'node_modules/addon-x64': { version: '1.0.0', optional: true, os: ['linux'], cpu: ['x64'] },
    'node_modules/addon-arm64': { version: '1.0.0', optional: true, os: ['linux'], cpu: ['arm64'] },
    'node_modules/addon-darwin': { version: '1.0.0', optional: true, os: ['darwin'] },
  };

  it('are those that run on the target', () => {
    for (const path of Object.keys(lock).filter(Boolean)) write(`${path}/package.json`, '{}');
    rmSync(join(folder, 'node_modules/maybe'), { recursive: true });
    const all = neededPackages(folder, lock, target);
    expect(all).toEqual([
      'node_modules/yargs',
      'node_modules/yargs/node_modules/inner',
      'node_modules/addon-x64',
    ]);
    expect(neededPackages(folder, lock, { ...target, cpu: 'arm64' })).toContain('node_modules/addon-arm64');
  });

  it('are all there, or there is no release', () => {
    expect(() => neededPackages(folder, lock, target)).toThrow('node_modules/yargs is not installed');
  });

  it('come without tests, types and documentation, and with their licences', () => {
    const wanted = ['LICENSE', 'dist/doc/parse.js', 'index.cjs', 'lib/a.js', 'package.json'];
    const others = ['README.md', 'a.test.js', 'docs/a.js', 'index.d.ts', 'lib/a.js.map', 'src/a.ts'];
    for (const path of [...wanted, ...others, 'test/a.js', 'node_modules/inner/index.js', '.eslintrc.json'])
      write(path);
    expect(neededFiles(folder, target)).toEqual(wanted);
  });

  it('bring the addon of this Node, or the one for all', () => {
    const addons = ['a.abi115.glibc.node', 'a.abi127.glibc.node', 'a.napi.glibc.node', 'a.napi.musl.node'];
    for (const name of addons) write(name);
    expect(neededFiles(folder, target)).toEqual(['a.abi115.glibc.node']);
    expect(neededFiles(folder, { ...target, abi: '137' })).toEqual(['a.napi.glibc.node']);
    expect(neededFiles(folder, { ...target, abi: null })).toEqual(addons.slice(0, 3));
  });
});

describe('the configuration that an installation brings', () => {
  const example = readFileSync(join(root, 'config/weft.example.yaml'), 'utf8');

  it('says nothing', () => {
    expect(parse(commentedOut(example))).toBeNull();
  });

  it('is the example once its keys are let in', () => {
    const [, ...lines] = commentedOut(example).split('#\n');
    const keys = lines.join('#\n').replace(/^#(?=\S| {2,}\S)/gm, '');
    expect(ConfigSchema.safeParse(parse(keys)).success).toBe(true);
    expect(keys).toBe(example);
  });
});

describe('the files of an installation', () => {
  it('are units, manual pages, completion and one configuration', async () => {
    const paths = (await systemFiles(root)).map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    expect(paths).toEqual(
      expect.arrayContaining([
        ...['usr/bin/weft', 'usr/bin/weftd', 'etc/weft/weft.yaml'],
        ...['usr/lib/systemd/system/weftd.service', 'usr/lib/systemd/system/weft-docker.socket'],
        ...['usr/share/man/man1/weft-port.1.gz', 'usr/share/man/man5/weft.yaml.5.gz'],
        'usr/share/man/man8/weftd.8.gz',
      ]),
    );
  });

  it('are the same bytes each time', () => {
    expect(zipped('text')).toEqual(zipped('text'));
    // RFC 1952: no time in bytes 4-7, no name in the flags.
    expect([...zipped('text').subarray(3, 8)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('complete in bash, zsh and fish', async () => {
    expect(await completionScript('bash')).toContain('complete -o bashdefault -o default -F');
    expect(await completionScript('zsh')).toMatch(/^#compdef weft/);
    expect(fishCompletion).toContain('weft --get-yargs-completions');
  });
});

describe('standsAlone', () => {
  it('is true for what needs the C library only, and false for what needs others', () => {
    expect(standsAlone('/bin/true')).toBe(true);
    expect(standsAlone('/bin/bash')).toBe(false);
  });
});
