/** Rules for the names of things. Each function returns what is wrong with a name, or null. */

const namePattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
const nameRule = 'a name has 1-63 of a-z, 0-9, "_", "." and "-", and starts with a letter or a digit';

/** Networks that Docker makes are named after their pool, so a canonical CIDR is a name too. */
const cidrPattern = /^[0-9a-f.:]{2,39}\/\d{1,3}$/;

export function networkNameProblem(name: string): string | null {
  return namePattern.test(name) || cidrPattern.test(name) ? null : nameRule;
}

export function portNameProblem(name: string): string | null {
  return namePattern.test(name) ? null : nameRule;
}

/** The rules of dev_valid_name in net/core/dev.c, without the %d patterns that TUNSETIFF would expand. */
export function ifnameProblem(ifname: string): string | null {
  const bytes = Buffer.byteLength(ifname);
  if (bytes < 1 || bytes > 15) return 'an interface name has 1-15 bytes';
  if (ifname === '.' || ifname === '..') return '"." and ".." are no interface names';
  // The names of directories in /proc/sys/net/ipv4/conf that stand for no link.
  if (ifname === 'all' || ifname === 'default')
    return `"${ifname}" is no interface name: the kernel uses it itself`;
  if (/[\s/:%\0]/.test(ifname)) return 'an interface name has no "/", ":", "%" and no white space';
  // Control bytes are legal for the kernel, but would let a name write into terminals and logs.
  if (/[^\x21-\x7e]/.test(ifname)) return 'an interface name has printable ASCII characters only';
  return null;
}

const hostNamePattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*\.?$/i;

/** A name for the resolver. One made of digits and dots only is a mistyped address. */
export function isHostName(text: string): boolean {
  return hostNamePattern.test(text) && !/^[0-9.]+$/.test(text);
}
