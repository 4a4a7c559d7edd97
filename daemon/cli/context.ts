/** What every command gets: the daemon, and the one writer of output. */
import type { ApiClient } from './client.js';
import type { Io, Limits } from './io.js';
import { printable } from './text.js';

interface Parts {
  api: ApiClient;
  /** What `api` speaks to. */
  socket: string;
  io: Io;
  json: boolean;
  limits: Limits;
}

export class Context {
  readonly api: ApiClient;
  readonly socket: string;
  readonly io: Io;
  readonly json: boolean;
  readonly limits: Limits;
  /** Of a command that was carried out: 1 where what it found is not what a script hopes for. */
  exit = 0;

  constructor(parts: Parts) {
    this.api = parts.api;
    this.socket = parts.socket;
    this.io = parts.io;
    this.json = parts.json;
    this.limits = parts.limits;
  }

  /** Bold headers: on a terminal only, and not against NO_COLOR. */
  get bold(): boolean {
    return this.io.stdout.isTty && (this.io.env.NO_COLOR ?? '') === '';
  }

  /** The value as it came for --json, else as `render` has it. `render` gets it with its strings made safe for a terminal. */
  show<T>(value: T, render: (value: T) => string): void {
    this.io.stdout.write(this.json ? `${JSON.stringify(value, null, 2)}\n` : render(printable(value)));
  }

  /** The same for a list; an empty one is a sentence on standard error, so that pipes get nothing. */
  showList<T>(values: T[], nothing: string, render: (values: T[]) => string): void {
    if (values.length > 0 || this.json) this.show(values, render);
    else this.io.stderr.write(`${nothing}\n`);
  }

  /** A sentence about the output, on standard error so that it gets into no pipe. */
  remark(sentence: string): void {
    this.io.stderr.write(`${sentence}\n`);
  }

  /** A sentence for a person; with --json nothing, because there is no object to print. */
  say(sentence: string): void {
    if (!this.json) this.io.stdout.write(`${printable(sentence)}\n`);
  }
}
