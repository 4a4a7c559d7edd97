/** An image for containers without any registry: static busybox with its applets, and some programs of this machine with their libraries. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { attempt, run } from './command.js';

/** What it is called in every engine of the lab. */
export const labImage = 'weft-lab:1';

/** Words of `docker import` that go with it. */
export const imageSettings = [
  '--change',
  'ENV PATH=/usr/bin:/bin:/sbin',
  '--change',
  'CMD ["sleep", "86400"]',
];

/** These take the place of busybox's applets of the same name. */
const programs = ['iperf3', 'ping', 'ip', 'ss'];

/** Found by name at run time, so that no program names them as something it needs. */
const nameServices = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2'];

/** Writes the file system of the image to a tar file. */
export async function makeImage(file: string): Promise<void> {
  const root = mkdtempSync(`${file}-`);
  try {
    const directories = 'bin sbin usr/bin usr/sbin lib lib64 etc proc sys dev run tmp root www';
    for (const directory of directories.split(' ')) mkdirSync(join(root, directory), { recursive: true });
    await addProgram(root, '/bin/busybox');
    for (const applet of (await run(['/bin/busybox', '--list'])).trim().split('\n')) {
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    }
    for (const program of programs) {
      const { stdout } = await attempt(['sh', '-c', `command -v ${program}`]);
      if (stdout !== '') await addProgram(root, stdout.trim());
    }
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n',
    );
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
    writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
    await run(['tar', '-C', root, '--numeric-owner', '--owner=0', '--group=0', '-cf', file, '.']);
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function addProgram(root: string, path: string): Promise<void> {
  const program = realpathSync(path);
  const target = join(root, 'bin', basename(path));
  rmSync(target, { force: true });
  copyFileSync(program, target);
  // ldd fails for a static program.
  const { stdout } = await attempt(['ldd', program]);
  const libraries = stdout.match(/\/\S+\.so\S*/g) ?? [];
  const beside =
    libraries[0] === undefined ? [] : nameServices.map((name) => join(dirname(libraries[0] as string), name));
  for (const library of [...libraries, ...beside.filter((file) => existsSync(file))]) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
  }
}
