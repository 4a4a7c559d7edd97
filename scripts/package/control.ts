/** What the Debian package says of itself. */

export interface Described {
  version: string;
  architecture: string;
  maintainer: string;
  /** KiB. */
  installedSize: number;
  depends: readonly string[];
}

export function controlFile({
  version,
  architecture,
  maintainer,
  installedSize,
  depends,
}: Described): string {
  return `Package: weft
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${installedSize}
Depends: ${depends.join(', ')}
Suggests: docker.io | docker-ce
Section: net
Priority: optional
Description: virtual switch and VXLAN overlay for containers on many hosts
 weft joins containers on many Linux hosts into one Ethernet segment. weftd,
 the daemon on every host, attaches to TAP devices inside the containers'
 network namespaces, learns MAC addresses, and carries frames to the other
 hosts over VXLAN. It forwards in user space and needs no kernel module, and
 it is a network driver for Docker.
`;
}

/** The release of GCC that brought GLIBCXX_3.4.N, by N. */
const gccOf: Readonly<Record<number, string>> = {
  ...{ 25: '8', 26: '9', 27: '9.2', 28: '9.3', 29: '11' },
  ...{ 30: '12', 31: '13.1', 32: '13.2', 33: '14', 34: '15' },
};

/**
 * The packages of the C and C++ runtime, in the versions that programs need whose version requirements are `versionInfo`, as
 * `readelf --version-info` prints them. Throws for a C++ runtime that is newer than this table.
 */
export function runtimeDependencies(versionInfo: string): string[] {
  const newest = (pattern: RegExp): number[] => {
    const all = [...versionInfo.matchAll(pattern)].map(([, text = '']) => text.split('.').map(Number));
    return all.sort(byVersion).at(-1) ?? [];
  };
  const libc = newest(/\bGLIBC_(\d+\.\d+)/g);
  const [, , cxx = 0] = newest(/\bGLIBCXX_(\d+\.\d+\.\d+)/g);
  if (libc.length === 0) throw new Error('the programs need no C library, which cannot be');
  const gcc = cxx < 25 ? '8' : gccOf[cxx];
  if (gcc === undefined) throw new Error(`GLIBCXX_3.4.${cxx}: which GCC brought it?`);
  return [`libc6 (>= ${libc.join('.')})`, 'libgcc-s1', `libstdc++6 (>= ${gcc})`];
}

function byVersion(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((part, at) => part !== b[at]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}

/** `date` in seconds since 1970. */
export function debianChangelog(version: string, maintainer: string, date: number): string {
  const when = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  return `weft (${version}) unstable; urgency=medium\n\n  * See changelog.gz beside this file.\n\n -- ${maintainer}  ${when}\n`;
}

export interface Licensed {
  /** Below the root of the host, for the field Files. */
  files: string;
  /** As the package says it, such as MIT. */
  license: string;
  text: string;
}

/** Debian has the text on every system, and wants no copy of it. */
export const apacheLicence = 'On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.';

/** In the machine-readable format 1.0: weft itself, then what came from others, each with its own text. */
export function copyrightFile(others: readonly Licensed[]): string {
  const own = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: weft

Files: *
Copyright: the weft authors
License: Apache-2.0
 ${apacheLicence}
`;
  return own + others.map(stanza).join('');
}

function stanza({ files, license, text }: Licensed): string {
  const holders = [
    ...new Set(
      text
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => /^copyright\b.*\d{4}/i.test(line)),
    ),
  ];
  const copyright = holders.length === 0 ? ['see the text below'] : holders;
  const body = text
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`));
  // Licences of one name may differ in text, so each stands by itself.
  return `\nFiles: ${files}\nCopyright: ${copyright.join('\n           ')}\nLicense: ${license.replace(/\s+/g, '-').replace(/[()]/g, '')}\n${body.join('\n')}\n`;
}
