/** Keys of the configuration file as people write them. */
export type KeyPath = readonly PropertyKey[];

/** `peers[2].port`, `networks.blue.vni` */
export function formatPath(path: KeyPath): string {
  if (path.length === 0) return 'the file';
  return path
    .map((key, index) =>
      typeof key === 'number' ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`,
    )
    .join('');
}
