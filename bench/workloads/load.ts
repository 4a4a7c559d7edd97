import type { Bed } from '../systems/system.js';
import { Iperf } from './iperf.js';

const STREAMS = 4;

/** Does work of so many seconds while four streams of TCP go from client to server; gives what they carried, too. */
export async function besideStreams<T>(
  bed: Bed,
  seconds: number,
  work: () => Promise<T>,
): Promise<{ result: T; gbitPerSecond: number }> {
  // A second more, for what starts and ends late; iperf3 takes whole seconds only.
  const total = Math.ceil(seconds + 1);
  const flags = ['--parallel', String(STREAMS)];
  const iperf = await Iperf.start(bed.client, bed.server, bed.serverAddress, total, flags);
  try {
    await iperf.streaming();
    const result = await work();
    const { bitsPerSecond } = await iperf.result();
    return { result, gbitPerSecond: bitsPerSecond / 1e9 };
  } finally {
    await iperf.stop();
  }
}
