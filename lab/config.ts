/** What stands in the configuration file of a host of the lab. */
import { stringify } from 'yaml';

export type HostConfig = Record<string, unknown> | string;

/** Text stays as it is; an object becomes YAML, with the host's name and addresses, and what is `usual`, where it says nothing of them. */
export function configText(
  { name, ipv4, ipv6 }: { name: string; ipv4: string; ipv6: string },
  config: HostConfig,
  usual: Record<string, unknown> = {},
): string {
  if (typeof config === 'string') return config;
  return stringify({
    host: { name },
    ...usual,
    ...config,
    underlay: { addresses: [ipv4, ipv6], ...(config.underlay as object | undefined) },
  });
}
