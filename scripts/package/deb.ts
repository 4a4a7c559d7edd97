/**
 * Makes the Debian package with dpkg-deb: `node dist/scripts/package/deb.js --output FOLDER --node PATH --cpu x64|arm64 --abi N --modules
 * FOLDER --addon FILE --strip PROGRAM --compress METHOD [--version VERSION]`. Prints the file. scripts/deb calls it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readVersion } from '../../daemon/version.js';
import {
  apacheLicence,
  controlFile,
  copyrightFile,
  debianChangelog,
  type Licensed,
  runtimeDependencies,
} from './control.js';
import { nodeLicence, standsAlone } from './node-binary.js';
import { libraryFolder, makeRelease, stripped } from './release.js';
import { systemFiles, writeSystemFiles, zipped } from './system-files.js';

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };
const root = fileURLToPath(new URL('../../..', import.meta.url));

async function main(): Promise<void> {
  const string = { type: 'string' } as const;
  const names = ['output', 'node', 'cpu', 'abi', 'modules', 'addon', 'strip', 'compress', 'version'] as const;
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, string])) });
  const option = (name: (typeof names)[number]): string => {
    const value = values[name];
    if (typeof value !== 'string') throw new Error(`--${name} is missing`);
    return value;
  };
  const cpu = option('cpu');
  const architecture = architectures[cpu];
  if (architecture === undefined) throw new Error(`there is no package for ${cpu}`);
  const node = option('node');
  if (!standsAlone(node))
    throw new Error(
      `${node} needs libraries of this system, so it cannot go into a package: build with a node from nodejs.org`,
    );
  const version = typeof values.version === 'string' ? values.version : readVersion();
  const work = mkdtempSync(join(tmpdir(), 'weft-deb-'));
  try {
    process.umask(0o022);
    chmodSync(work, 0o755);
    const tree = join(work, 'tree');
    const licence = nodeLicence(node);
    const release = makeRelease(
      {
        root,
        modulesRoot: option('modules'),
        addon: stripped(option('addon'), option('strip'), work),
        version,
        node: { path: node, bundled: true },
        target: { cpu, abi: option('abi') },
      },
      tree,
    );
    writeSystemFiles(await systemFiles(root), tree);
    const maintainer = packager();
    const packaged = `${version}-1`;
    const date = Number(process.env.SOURCE_DATE_EPOCH ?? Math.floor(Date.now() / 1000));
    writeDocuments(tree, release, licence, debianChangelog(packaged, maintainer, date));
    const programs = listFiles(join(tree, libraryFolder, release)).filter((file) =>
      /\.node$|\/bin\/node$/.test(file),
    );
    const needs = programs.map((file) =>
      execFileSync('readelf', ['--version-info', '--wide', file], {
        maxBuffer: 2 ** 28,
        encoding: 'utf8',
      }),
    );
    writeControl(tree, {
      version: packaged,
      architecture,
      maintainer,
      depends: [
        ...runtimeDependencies(needs.join('')),
        'init-system-helpers (>= 1.54~)',
        'systemd (>= 249)',
        'passwd',
        // /bin/kill of ExecReload=, which small images leave out.
        'procps',
      ],
    });
    const file = join(option('output'), `weft_${packaged}_${architecture}.deb`);
    mkdirSync(dirname(file), { recursive: true });
    execFileSync('dpkg-deb', ['--root-owner-group', `-Z${option('compress')}`, '--build', tree, file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
    });
    process.stdout.write(`${file}\n`);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** As Debian's own tools are told. */
function packager(): string {
  const { DEBFULLNAME = 'weft', DEBEMAIL = 'weft@users.noreply.github.com' } = process.env;
  return `${DEBFULLNAME} <${DEBEMAIL}>`;
}

function writeDocuments(tree: string, release: string, licence: string, changelog: string): void {
  const documents = join(tree, 'usr/share/doc/weft');
  writeFileSync(join(documents, 'changelog.gz'), zipped(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')));
  writeFileSync(join(documents, 'changelog.Debian.gz'), zipped(changelog));
  const home = join(libraryFolder, release);
  const node: Licensed = { files: `${home.slice(1)}/bin/node`, license: 'MIT-and-others', text: licence };
  writeFileSync(join(documents, 'copyright'), copyrightFile([node, ...packageLicences(tree, home)]));
  const overrides = join(tree, 'usr/share/lintian/overrides');
  mkdirSync(overrides, { recursive: true });
  writeFileSync(
    join(overrides, 'weft'),
    readFileSync(join(root, 'scripts/package/debian/lintian-overrides')),
  );
}

function packageLicences(tree: string, home: string): Licensed[] {
  const modules = join(tree, home, 'node_modules');
  const folders = listFiles(modules)
    .filter((file) => /(^|\/)node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file))
    .map((file) => dirname(file));
  return folders.map((folder) => {
    const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      license?: string;
    };
    const text = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
    if (license === 'Apache-2.0')
      return { files: `${relative(tree, folder)}/*`, license, text: apacheLicence };
    return {
      files: `${relative(tree, folder)}/*`,
      license: license ?? 'unknown',
      text:
        text === undefined
          ? 'The package says no more than the name of its licence.'
          : readFileSync(join(folder, text), 'utf8'),
    };
  });
}

function writeControl(
  tree: string,
  described: Omit<Parameters<typeof controlFile>[0], 'installedSize'>,
): void {
  const files = listFiles(tree).filter((file) => !lstatSync(file).isSymbolicLink());
  const installedSize = Math.ceil(
    files.reduce((sum, file) => sum + Math.ceil(lstatSync(file).size / 1024), 0),
  );
  const sums = files.map((file) => {
    const sum = createHash('md5').update(readFileSync(file)).digest('hex');
    return `${sum}  ${relative(tree, file)}\n`;
  });
  const control = join(tree, 'DEBIAN');
  mkdirSync(control);
  writeFileSync(join(control, 'control'), controlFile({ ...described, installedSize }));
  writeFileSync(join(control, 'md5sums'), sums.join(''));
  writeFileSync(join(control, 'conffiles'), '/etc/weft/weft.yaml\n');
  for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) {
    writeFileSync(join(control, script), readFileSync(join(root, 'scripts/package/debian', script)));
    chmodSync(join(control, script), 0o755);
  }
}

/** All files and links below a folder, sorted. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((item) => {
      const path = join(folder, item.name);
      return item.isDirectory() ? listFiles(path) : [path];
    })
    .sort();
}

if (!existsSync(join(root, 'package.json'))) throw new Error('this is no checkout');
main().catch((error: unknown) => {
  process.stderr.write(`weft: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
