/** `weft capture`. */
import { captureLimits } from '../../api/limits.js';
import type { CaptureCreate } from '../../api/schema.js';
import { parseDuration } from '../../config/duration.js';
import { loadNative } from '../../datapath/load.js';
import { WeftError } from '../../errors.js';
import { wholeNumber } from '../arguments.js';
import { type CaptureOutput, openFile, openPrinter, openStandardOutput } from '../capture_output.js';
import { defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { usageError } from '../failure.js';
import { optionalPackage } from '../optional_package.js';
import { PcapngStream } from '../pcapng_stream.js';
import { plural, printable } from '../text.js';
import { type CapModule, captureUnderlay } from '../underlay_capture.js';

const { leastKept, mostKept, instructions } = captureLimits;
/** Seconds; timers of JavaScript end at 596 hours. */
const longestTime = 500 * 3600;

export const capture = defineCommand({
  syntax: 'capture <target> [filter..]',
  describe:
    'Copy the frames that pass a port, a peer or a network, as pcapng for Wireshark and tshark, until interrupted. ' +
    'On a terminal they are printed by tcpdump or tshark, where one is installed; into a pipe goes the file. ' +
    'FILTER is an expression of tcpdump (pcap-filter(7)) and needs libpcap. ' +
    'Forwarding never waits for it: frames that the reader is too slow for are left out, and counted.',
  positionals: {
    target: { type: 'string', describe: 'A port, a network or a peer', demandOption: true },
    filter: { type: 'string', array: true, describe: 'Only frames that this expression of tcpdump fits' },
  },
  options: {
    write: { type: 'string', alias: 'w', describe: 'The file to write; "-" is standard output' },
    print: { type: 'boolean', describe: 'Print the frames even where standard output is no terminal' },
    count: { type: 'string', alias: 'c', describe: 'End after so many frames' },
    duration: { type: 'string', describe: 'End after this time, such as 30s, 5m or 1h' },
    'max-size': { type: 'string', describe: 'End before the file is larger: bytes, or such as 100M' },
    snaplen: {
      type: 'string',
      alias: 's',
      describe: `Bytes of each frame that are kept, from ${leastKept} [default: ${mostKept}, which is all]`,
    },
    direction: {
      type: 'string',
      alias: 'Q',
      choices: ['in', 'out', 'inout'],
      describe: '"in" is what weft receives from there, "out" what it sends there [default: inout]',
    },
    underlay: {
      type: 'boolean',
      describe:
        'The target is an interface of this host, and FILTER "udp port 4789" where none is given; by the optional package "cap", without weftd [default: off]',
    },
    kind: {
      type: 'string',
      choices: ['port', 'peer', 'network'],
      describe: 'What the target is, where its name fits more than one',
    },
  },
  examples: [
    ['capture eth0@web', 'print what a container sends and receives'],
    ['capture blue -w blue.pcapng tcp port 80', 'a network, into a file, only web traffic'],
    ['capture 10.99.0.2 -c 1000 -w - | wireshark -k -i -', 'a peer, in Wireshark'],
    ['capture --underlay eth0 -w underlay.pcapng', 'the VXLAN of an interface'],
  ],
  async run(args, context) {
    const body: CaptureCreate = { target: args.target };
    if (args.kind !== undefined) body.kind = args.kind;
    if (args.direction !== undefined) body.direction = args.direction;
    if (args.count !== undefined) body.frames = wholeNumber('--count', args.count, 1, 1e15);
    if (args.snaplen !== undefined)
      body.snaplen = wholeNumber('--snaplen', args.snaplen, leastKept, mostKept);
    if (args.duration !== undefined) body.seconds = seconds(args.duration);
    if (args['max-size'] !== undefined) body.bytes = size(args['max-size']);
    const expression = (args.filter ?? []).join(' ').trim();
    if (args.underlay === true) return captureInterface(body, expression, args, context);
    if (expression !== '') body.filter = { text: expression, program: compile(expression) };
    const open = chooseOutput(args.write, args.print === true, context);

    const interrupted = context.io.interrupted();
    const { id, chunks } = await context.api.capture('/v1/captures', body);
    const end = (): void => void context.api.send('DELETE', `/v1/captures/${id}`).catch(() => undefined);
    interrupted.addEventListener('abort', end);
    if (interrupted.aborted) end();
    const stream = new PcapngStream();
    const taken = await copy(chunks, stream, open);
    report(stream, args.write, interrupted.aborted, context);
    if (taken && stream.end === null && !interrupted.aborted)
      throw context.api.broken('it cut the capture off');
  },
});

/** What a filter of VXLAN is where none was given. */
const vxlan = 'udp port 4789';

async function captureInterface(
  { target, kind, direction, frames, bytes, seconds: time, snaplen = mostKept }: CaptureCreate,
  expression: string,
  args: { write: string | undefined; print: boolean | undefined },
  context: Context,
): Promise<void> {
  if (kind !== undefined || direction !== undefined)
    throw usageError('--underlay has neither --kind nor --direction');
  const cap = optionalPackage<CapModule>('cap');
  if (cap === null) throw new WeftError('WEFT_CAPTURE_NO_CAP', { interface: target });
  const open = chooseOutput(args.write, args.print === true, context);
  const filter = expression === '' ? vxlan : expression;
  const interrupted = context.io.interrupted();
  const options = { interface: target, filter, snaplen, frames, bytes, seconds: time };
  const stream = new PcapngStream();
  try {
    await copy(captureUnderlay(cap, options, interrupted), stream, open);
  } catch (error) {
    if (error instanceof WeftError) throw error;
    const reason = (error as Error).message;
    throw new WeftError('WEFT_CAPTURE_INTERFACE', { interface: target, reason }, { cause: error });
  }
  report(stream, args.write, interrupted.aborted, context);
}

type Open = () => Promise<CaptureOutput>;

/** Opened only once the daemon has agreed, so that a refusal leaves a file that is there as it is. */
function chooseOutput(file: string | undefined, print: boolean, { io }: Context): Open {
  if (file !== undefined && print) throw usageError('--write and --print are two ways for the same frames');
  if (file !== undefined && file !== '-') return () => openFile(file, io.cwd);
  if (file === '-' && io.stdout.isTty) throw usageError('--write: a terminal cannot show the file');
  if (print || (file === undefined && io.stdout.isTty)) return () => openPrinter(io);
  return async () => openStandardOutput(io);
}

/** False when the reader went away before the end. */
async function copy(chunks: AsyncIterable<Uint8Array>, stream: PcapngStream, open: Open): Promise<boolean> {
  // Leaving the loop ends the connection, and so the capture.
  let output: CaptureOutput | null = null;
  let taken = true;
  for await (const chunk of chunks) {
    output ??= await open();
    const blocks = stream.take(chunk);
    if (blocks === null) throw new WeftError('WEFT_INTERNAL', { reason: 'weftd sent what is no pcapng' });
    if (blocks.length > 0) taken = await output.write(blocks);
    if (!taken) break;
  }
  await output?.close();
  return taken;
}

function report(
  { frames, lost, end }: PcapngStream,
  file: string | undefined,
  interrupted: boolean,
  context: Context,
): void {
  if (context.json && file !== undefined && file !== '-') {
    context.show({ file, frames, lost, end }, () => '');
    return;
  }
  const left = lost === 0 ? '' : `; ${plural(lost, 'frame')} left out, because the reader was too slow`;
  const why = end === null || interrupted ? '' : ` (${printable(end)})`;
  context.remark(`${plural(frames, 'frame')} captured${left}${why}`);
}

function compile(expression: string): [number, number, number, number][] {
  const compiled = loadNative().compileFilter(expression);
  if (compiled === null) throw new WeftError('WEFT_CAPTURE_NO_LIBPCAP');
  if ('problem' in compiled)
    throw new WeftError('WEFT_CAPTURE_FILTER', { filter: expression, reason: compiled.problem });
  if (compiled.program.length > instructions) {
    const reason = `it has ${compiled.program.length} instructions, and ${instructions} are what forwarding has time for; ask for more, and filter the file`;
    throw new WeftError('WEFT_CAPTURE_FILTER', { filter: expression, reason });
  }
  return compiled.program.map(([code, jt, jf, k]) => [code, jt, jf, k]);
}

function seconds(text: string): number {
  const value = parseDuration(text);
  if (value === null || value === 0 || value > longestTime)
    throw usageError(`--duration: expected a time such as 30s, 5m or 1h, at most 500h, got "${text}"`);
  return value;
}

const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

function size(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})([kMG]?)B?$/.exec(text) ?? [];
  const value = Number(digits) * (units[unit] ?? 1);
  if (!(value >= 1))
    throw usageError(`--max-size: expected bytes, or such as 100k, 20M or 1G, got "${text}"`);
  return value;
}
