/** One run of the command line, from its words to its exit status. */
import { ApiClient } from './client.js';
import { Context } from './context.js';
import { inCommand, toFailure, usageError } from './failure.js';
import { defaultSocket } from './help.js';
import { defaultLimits, type Io, type Limits } from './io.js';
import { parse } from './parser.js';
import { printable } from './text.js';

/** `argv` is without node and script. Resolves to the exit status and never rejects; all output goes to `io`. */
export async function run(argv: readonly string[], io: Io, limits: Limits = defaultLimits): Promise<number> {
  let api: ApiClient | undefined;
  let path: readonly string[] = [];
  try {
    const parsed = await parse(argv, Math.min(io.stdout.columns ?? 100, 100));
    if (parsed.kind === 'text') {
      io.stdout.write(parsed.text);
      return 0;
    }
    const { command, args } = parsed;
    const socket = socketOf(args.socket, io);
    path = parsed.path;
    api = new ApiClient(socket, limits);
    const context = new Context({ api, socket, io, json: args.json === true, limits });
    await command.run(args, context);
    return context.exit;
  } catch (error) {
    const { body, exit, text = failureText(body) } = toFailure(inCommand(error, path));
    io.stderr.write(wantsJson(argv) ? `${JSON.stringify(body, null, 2)}\n` : text);
    return exit;
  } finally {
    await api?.close();
  }
}

function socketOf(option: unknown, io: Io): string {
  if (Array.isArray(option)) throw usageError('--socket is given more than once');
  return (typeof option === 'string' && option) || io.env.WEFT_SOCKET || defaultSocket;
}

/** Asked of the words themselves, because a line that cannot be parsed has errors too. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json');
}

/** The lists of mistakes that WEFT_CONFIG carries keep their line breaks; what to do is a line of its own then. */
function failureText({ code, message, remedy }: { code: string; message: string; remedy: string }): string {
  const sentence = message.trimEnd();
  const separator = sentence.includes('\n') ? '\n' : ' ';
  const lines = `weft: ${sentence}${separator}(${code}). ${remedy}`.split('\n');
  return `${lines.map(printable).join('\n')}\n`;
}
