/** What a run of the CLI touches outside itself; the entry point gives the process's own, tests give theirs. */

import type { Writable } from 'node:stream';

/** One of the two output streams. */
export interface Output {
  write(text: string): void;
  readonly isTty: boolean;
  /** Columns of the terminal; undefined when it is none. */
  readonly columns: number | undefined;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Standard output for what is no text. Writes to it are done when the reader has taken them. */
  bytes(): Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborts at SIGINT or SIGTERM. Signals keep their usual effect until the first call. */
  interrupted(): AbortSignal;
}

/** Patience and appetite of the client. */
export interface Limits {
  /** Milliseconds until the socket accepts. */
  readonly connect: number;
  /** Milliseconds until an answer is complete. */
  readonly response: number;
  /** Milliseconds without a byte, heartbeats included, after which an event stream counts as dead. */
  readonly silence: number;
  /** Bytes of one answer. */
  readonly answer: number;
  /** Bytes of one line of an event stream. */
  readonly line: number;
  /** Milliseconds between two rounds of --watch. */
  readonly watch: number;
}

export const defaultLimits: Limits = {
  connect: 5_000,
  response: 30_000,
  silence: 60_000,
  answer: 256 * 1024 * 1024,
  line: 1024 * 1024,
  watch: 1_000,
};
