/** `weft version`. */
import type { Version } from '../../api/schema.js';
import { clientVersion } from '../client_version.js';
import { defineCommand } from '../command.js';
import { toFailure } from '../failure.js';
import { block } from '../layout.js';

interface Versions {
  client: { version: string; node: string };
  /** null when the daemon could not be asked; `error` says why. */
  daemon: Version | null;
  error: string | null;
}

export const version = defineCommand({
  syntax: 'version',
  describe:
    'Show the versions of this command and of the daemon. A daemon that cannot be reached is no failure here.',
  examples: [['version', 'for a bug report']],
  async run(_args, context) {
    const versions: Versions = {
      client: { version: clientVersion(), node: process.version },
      daemon: null,
      error: null,
    };
    try {
      versions.daemon = await context.api.get<Version>('/v1/version');
    } catch (error) {
      versions.error = toFailure(error).body.message;
    }
    context.show(versions, render);
  },
});

function render({ client, daemon, error }: Versions): string {
  return block([
    ['Client', `weft ${client.version}, Node ${client.node}`],
    [
      'Daemon',
      daemon === null
        ? `unknown: ${error}`
        : `weft ${daemon.version}, Node ${daemon.node}, addon ${daemon.native}, Linux ${daemon.kernel}`,
    ],
  ]);
}
