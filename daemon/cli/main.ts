#!/usr/bin/env node
/** Entry point of the `weft` command. */
import { createWriteStream } from 'node:fs';
import type { Output } from './io.js';
import { run } from './run.js';

function output(stream: NodeJS.WriteStream): Output {
  // A reader that went away, as `head` does, is no failure and no news.
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    write: (text) => void stream.write(text),
    isTty: stream.isTTY === true,
    columns: stream.isTTY === true ? stream.columns : undefined,
  };
}

function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

process.exitCode = await run(process.argv.slice(2), {
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  // Not process.stdout, which for a pipe stops the whole process while its reader does.
  bytes: () => createWriteStream('', { fd: 1, autoClose: false }),
  env: process.env,
  cwd: process.cwd(),
  interrupted,
});
