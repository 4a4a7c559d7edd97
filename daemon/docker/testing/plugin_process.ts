/**
 * A plugin in a process of its own, on the path that is its argument, and on the socket that it was handed as systemd does. For tests.
 * Prints a line of JSON when it listens, and ends when its standard input does.
 */
import { pino } from 'pino';
import { takeListenFds } from '../../restart/listen_fds.js';
import { DockerRequests } from '../../telemetry/docker_requests.js';
import { activatedSocket } from '../activation.js';
import { pluginMethods } from '../plugin_methods.js';
import { PluginServer } from '../plugin_server.js';
import { fakes } from './plugin_host.js';

const [path = ''] = process.argv.slice(2);
const activated = activatedSocket(takeListenFds(process.env), 'docker');
const log = pino({ level: 'silent' });
const methods = pluginMethods({ ...fakes([]), log });
const server = new PluginServer({
  path: path === 'off' ? null : path,
  activated,
  methods,
  log,
  ready: Promise.resolve(),
  kernel: { peerCredentials: () => ({ pid: 0, uid: 0, gid: 0 }) },
  requests: new DockerRequests(methods.keys()),
});
await server.open();
const inherited = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'));
process.stdout.write(`${JSON.stringify({ activated, state: server.state(), inherited })}\n`);
process.stdin.resume().once('end', () => {
  void server.close().then(() => process.exit(0));
});
