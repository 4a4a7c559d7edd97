/** A short name for machines of this kind, such as `2x-amd-epyc`: lower case, without trade marks and frequencies. */
export function machineName(cpus: number, model: string): string {
  const words = model
    .toLowerCase()
    .replaceAll(/\((r|tm)\)|@.*$|\b(cpu|processor|\d+-core)\b/g, ' ')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `${cpus}x-${words === '' ? 'unknown' : words}`;
}
