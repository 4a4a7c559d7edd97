/** What the rest of weft asks of the plugin's server: where Docker finds it, and whether Docker has. */

export interface PluginState {
  /** null when it is off. */
  socket: string | null;
  state: 'off' | 'listening' | 'failed';
  /** Why Docker cannot reach it: only of `failed`. */
  reason: string | null;
  /** When Docker asked for the plugin last; null when it has not since weftd was started. */
  activated: Date | null;
}

export interface PluginWatch {
  state(): PluginState;
}

/** `docker.plugin: off`. */
export const noPlugin: PluginWatch = {
  state: () => ({ socket: null, state: 'off', reason: null, activated: null }),
};
