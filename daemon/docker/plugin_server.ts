/** Keeps the plugin where Docker looks for it: on a socket of its own, on one from systemd, or both. */
import { readFileSync, renameSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import { listenOnPath } from '../api/unix_socket.js';
import type { Kernel } from '../datapath/kernel.js';
import { WeftError } from '../errors.js';
import type { DockerRequests } from '../telemetry/docker_requests.js';
import type { ActivatedSocket } from './activation.js';
import { PluginHttp, type PluginLimits, pluginLimits } from './plugin_http.js';
import { type PluginMethods, refusing } from './plugin_methods.js';
import type { PluginState, PluginWatch } from './plugin_state.js';

export interface PluginServerParts {
  /** null: off. A socket from systemd is then answered too, with an error: Docker must not wait for it. */
  path: string | null;
  activated: ActivatedSocket | null;
  methods: PluginMethods;
  log: Logger;
  /** Requests that change something wait for it, for a while. */
  ready: Promise<void>;
  kernel: Pick<Kernel, 'peerCredentials'>;
  requests: Pick<DockerRequests, 'count'>;
}

export class PluginServer implements PluginWatch {
  private readonly http: PluginHttp;
  private fromSystemd: Server | null = null;
  private own: Server | null = null;
  /** Device and inode of the socket file that leads to us; null: there is none. */
  private file: string | null = null;
  private reason: string | null = null;
  private activated: Date | null = null;
  private checking: Promise<void> | null = null;
  private closed = false;

  constructor(
    private readonly parts: PluginServerParts,
    limits: PluginLimits = pluginLimits,
  ) {
    const { path, methods, log, ready, requests } = parts;
    const onActivate = () => {
      this.activated = new Date();
    };
    const served = path === null ? refusing(methods) : methods;
    this.http = new PluginHttp({ methods: served, log, ready, requests, onActivate }, limits);
  }

  /** Never throws: what went wrong is in {@link state}, and {@link check} tries it again. */
  async open(): Promise<void> {
    const { activated, path, log } = this.parts;
    if (activated !== null) {
      try {
        this.fromSystemd = await listenOnFd(this.http.createServer(), activated.fd);
        if (activated.path === path) this.file = identityOf(path);
        else
          log.warn({ socket: activated.path }, 'systemd hands over another socket than docker.plugin names');
      } catch (error) {
        log.warn(
          { reason: (error as Error).message, socket: activated.path },
          'the socket of systemd is not usable',
        );
      }
    }
    await this.check();
  }

  /**
   * Binds the socket again when its file is gone or was replaced, or when that failed before. Called every few seconds. A call while one
   * is under way joins it.
   */
  check(): Promise<void> {
    this.checking ??= this.bindIfNeeded().finally(() => {
      this.checking = null;
    });
    return this.checking;
  }

  state(): PluginState {
    const { path } = this.parts;
    return {
      socket: path,
      state: path === null ? 'off' : this.reason === null ? 'listening' : 'failed',
      reason: this.reason,
      activated: this.activated,
    };
  }

  /** Stops listening, lets requests under way end for a second, and cuts the connections. A socket of systemd's stays. */
  async close(): Promise<void> {
    this.closed = true;
    await this.checking;
    this.stopOwn();
    this.fromSystemd?.close();
    await this.http.close();
  }

  private async bindIfNeeded(): Promise<void> {
    const { path, kernel, log } = this.parts;
    if (path === null || this.closed) return;
    if (this.file !== null && identityOf(path) === this.file) return;
    if (this.file !== null)
      log.warn({ socket: path }, 'the socket of the Docker plugin was removed or replaced');
    this.stopOwn();
    const server = this.http.createServer();
    try {
      await listenOnPath(server, path, 0, (fd) => peerPid(kernel, fd));
      this.own = server;
      this.file = identityOf(path);
      this.reason = null;
      log.info({ socket: path }, 'Docker finds the plugin here');
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== this.reason) log.warn({ socket: path, reason }, 'Docker does not find the plugin');
      this.reason = reason;
    }
  }

  /** Closing unlinks by name what was bound, so the socket that another process put there is moved out of the way for that long. */
  private stopOwn(): void {
    const { own, parts, file } = this;
    this.own = null;
    this.file = null;
    if (own === null || parts.path === null) return;
    const now = identityOf(parts.path);
    const foreign = now !== null && now !== file;
    const aside = `${parts.path}.weft`;
    if (foreign) move(parts.path, aside);
    own.close();
    if (foreign) move(aside, parts.path);
  }
}

function listenOnFd(server: Server, fd: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

/** It is no error when it is gone meanwhile, or the directory cannot be changed: then nothing is unlinked either. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // The next check sees what is there.
  }
}

function identityOf(path: string): string | null {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.dev}:${stat.ino}`;
}

function peerPid(kernel: Pick<Kernel, 'peerCredentials'>, fd: number): number | null {
  try {
    const { pid } = kernel.peerCredentials(fd);
    return pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof WeftError && error.code === 'WEFT_SOCKET_TAKEN') {
    const { pid } = error.details;
    return `another process answers there already${typeof pid === 'number' ? `: ${nameOf(pid)} (PID ${pid})` : ''}`;
  }
  return error instanceof WeftError ? String(error.details.reason) : (error as Error).message;
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'a process that cannot be seen';
  }
}
