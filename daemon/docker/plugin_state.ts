/** What the rest of weft asks of the plugin's server: where Docker finds it, and whether Docker has. */

export interface PluginState {
  /** null when it is off. */
  socket: string | null;
  state: 'off' | 'listening' | 'failed';
  /** Why the state is not `listening`. */
  reason: string | null;
  /** When Docker asked for the plugin last; null when it has not since weftd was started. */
  activated: Date | null;
}

/** How many requests had one outcome. */
export interface PluginRequests {
  /** One of the methods that the plugin has, or `other`: never what a client sent. */
  method: string;
  outcome: 'ok' | 'refused' | 'failed';
  count: number;
}

export interface PluginWatch {
  state(): PluginState;
  /** Since weftd was started, one for each method and outcome that was seen. */
  requests(): readonly PluginRequests[];
}

/** `docker.plugin: off`. */
export const noPlugin: PluginWatch = {
  state: () => ({ socket: null, state: 'off', reason: 'off by docker.plugin', activated: null }),
  requests: () => [],
};
