/** The files of an installation that lie outside of its release: units, manual pages, completion, the configuration, documentation. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { completionScript, fishCompletion } from './completion.js';

/** Path from / and content of each; `link` is the target of a symbolic one. */
export type SystemFile = { path: string; content: string | Buffer } | { path: string; link: string };

export async function systemFiles(root: string): Promise<SystemFile[]> {
  const from = (path: string) => readFileSync(join(root, path), 'utf8');
  const example = from('config/weft.example.yaml');
  const manuals = readdirSync(join(root, 'docs/man')).sort();
  return [
    { path: 'usr/bin/weft', link: '../lib/weft/bin/weft' },
    { path: 'usr/bin/weftd', link: '../lib/weft/bin/weftd' },
    { path: 'usr/lib/systemd/system/weftd.service', content: from('systemd/weftd.service') },
    { path: 'usr/lib/systemd/system/weft-docker.socket', content: from('systemd/weft-docker.socket') },
    { path: 'usr/lib/sysusers.d/weft.conf', content: from('systemd/weft.sysusers.conf') },
    { path: 'usr/lib/tmpfiles.d/weft.conf', content: from('systemd/weft.tmpfiles.conf') },
    { path: 'usr/lib/systemd/network/80-weft.link', content: from('systemd/80-weft.link') },
    { path: 'usr/lib/NetworkManager/conf.d/weft.conf', content: from('config/networkmanager.conf') },
    { path: 'etc/weft/weft.yaml', content: commentedOut(example) },
    { path: 'usr/share/doc/weft/examples/weft.example.yaml', content: example },
    { path: 'usr/share/bash-completion/completions/weft', content: await completionScript('bash') },
    { path: 'usr/share/zsh/vendor-completions/_weft', content: await completionScript('zsh') },
    { path: 'usr/share/fish/vendor_completions.d/weft.fish', content: fishCompletion },
    ...manuals.map((name) => ({
      path: `usr/share/man/man${name.at(-1)}/${name}.gz`,
      content: zipped(from(`docs/man/${name}`)),
    })),
  ];
}

/** The same bytes for the same text: Node's gzip writes neither a name nor a time. */
export function zipped(text: string): Buffer {
  return gzipSync(text, { level: 9 });
}

/** Every key as a comment, so that the file that an installation brings says nothing until somebody edits it. */
export function commentedOut(example: string): string {
  const lines = example.split('\n').map((line) => (/^\s*(#|$)/.test(line) ? line : `#${line}`));
  return `# Every key is commented out here: weftd uses its defaults.\n#\n${lines.join('\n')}`;
}

export function writeSystemFiles(files: readonly SystemFile[], destination: string): void {
  for (const file of files) {
    const to = join(destination, file.path);
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
    if ('link' in file) symlinkSync(file.link, to);
    else {
      writeFileSync(to, file.content);
      chmodSync(to, 0o644);
    }
  }
}
