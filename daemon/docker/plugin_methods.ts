/** All that Docker can ask of the plugin, by URL. */
import { type IpamDriverParts, ipamDriver } from './ipam_driver.js';
import { type NetworkDriverParts, networkDriver } from './network_driver.js';
import { constant, invalid, type Method } from './protocol.js';

/** Keys are `Receiver.Method`, the URL without its slash. */
export type PluginMethods = ReadonlyMap<string, Method>;

export const activate = 'Plugin.Activate';

export function pluginMethods(parts: NetworkDriverParts & IpamDriverParts): PluginMethods {
  const named = (receiver: string, methods: Record<string, Method>) =>
    Object.entries(methods).map(([name, method]) => [`${receiver}.${name}`, method] as const);
  return new Map([
    [activate, constant({ Implements: ['NetworkDriver', 'IpamDriver'] })],
    ...named('NetworkDriver', networkDriver(parts)),
    ...named('IpamDriver', ipamDriver(parts)),
  ]);
}

/** The same URLs, each of which answers that the plugin is off. */
export function refusing(methods: PluginMethods): PluginMethods {
  const refusal = (name: string): Method => ({
    needsBody: false,
    always: true,
    prepare: () => {
      throw invalid(name, 'the plugin is off: "docker: { plugin: off }" is in the configuration of weftd');
    },
  });
  return new Map([...methods.keys()].map((name) => [name, refusal(name)]));
}
