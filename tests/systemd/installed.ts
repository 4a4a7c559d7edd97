/** What the tests of the installation share: a checkout that a host may change and lose, and what there is on its disk. */
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SystemdHost } from '../../lab/systemd-host.js';

let layers = 0;

/** Where the host has its own view of the checkout: what is changed there is changed nowhere else. */
export const ownCheckout = '/root/weft';

/** The checkout as it is, whatever was changed in one that was brought before. */
export async function bringCheckout(host: SystemdHost): Promise<void> {
  const layer = `/run/checkout-layer-${++layers}`;
  await host.exec('mkdir', '-p', ownCheckout, `${layer}/upper`, `${layer}/work`);
  const options = `lowerdir=/mnt/checkout,upperdir=${layer}/upper,workdir=${layer}/work`;
  await host.exec('mount', '-t', 'overlay', 'checkout', '-o', options, ownCheckout);
}

/** Another version in the host's checkout, as a later one would be. */
export async function changeVersion(host: SystemdHost, version: string): Promise<void> {
  await host.exec('sed', '-i', `s/"version": ".*"/"version": "${version}"/`, `${ownCheckout}/package.json`);
}

/**
 * What the host has written to its disk and has not removed, with kind, permissions and size; without what every use of it writes: logs,
 * caches, and the copies that passwd keeps of its files.
 */
export function written(host: SystemdHost): string[] {
  const upper = join(host.dir, 'disk/upper');
  const volatile =
    /^(var\/(log|cache)|root\/\.|var\/lib\/(systemd|dpkg|apt|ucf|dhcp)|etc\/(group|gshadow|passwd|shadow)-?$|etc\/\.pwd\.lock|run|tmp)/;
  const found: string[] = [];
  const walk = (below: string): void => {
    for (const item of readdirSync(join(upper, below), { withFileTypes: true })) {
      const path = join(below, item.name);
      if (volatile.test(path)) continue;
      const file = join(upper, path);
      if (item.isSymbolicLink()) found.push(`${path} -> ${readlinkSync(file)}`);
      else if (item.isFile())
        found.push(`${path} ${(statSync(file).mode & 0o7777).toString(8)} ${statSync(file).size}`);
      // A character device is a file of the machine that the host has removed.
      else if (item.isDirectory()) walk(path);
    }
  };
  walk('');
  return found.sort();
}
