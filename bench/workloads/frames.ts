import { z } from 'zod';
import { benchTool } from '../../lab/checkout.js';
import type { Meter } from '../meter.js';
import { Program } from '../program.js';
import type { Bed } from '../systems/system.js';
import type { Reading, Workload } from './workload.js';

/** 22 bytes in UDP over IPv4 make an Ethernet frame of 64 bytes, without frame check sequence. */
const SMALL_PAYLOAD = '22';
const WARMUP_SECONDS = 0.5;
/** The sender goes on for this long after the receiver is to stop, so that the last frames counted meet the same load. */
const TAIL_SECONDS = 0.5;

const Sent = z.object({ framesPerSecond: z.number(), seconds: z.number(), cpuSeconds: z.number() });
const Received = Sent.extend({ overflow: z.number() });

/** Small datagrams as fast as one process sends them: what reached the receiving socket. */
export function frameWorkloads(meter: Meter): Workload[] {
  const udpBlast = benchTool('udp_blast');

  async function run(bed: Bed, seconds: number, flows: number): Promise<Reading> {
    const window = ['--warmup', String(WARMUP_SECONDS), '--seconds', String(seconds)];
    const receiver = new Program(bed.server.namespace, [udpBlast, 'receive', ...window]);
    const total = String(WARMUP_SECONDS + seconds + TAIL_SECONDS);
    const send = [udpBlast, 'send', '--to', bed.serverAddress, '--size', SMALL_PAYLOAD];
    send.push('--flows', String(flows), '--seconds', total);
    try {
      await receiver.printed('ready');
      const sender = new Program(bed.client.namespace, send);
      const timing = await meter.timed(bed, () => receiver.output(seconds + 30));
      const lines = timing.result.trim().split('\n');
      const received = Received.parse(JSON.parse(lines.at(-1) ?? ''));
      const sent = Sent.parse(JSON.parse(await sender.output()));
      return {
        value: received.framesPerSecond / 1e3,
        cost: (timing.cpu.workCpus / received.framesPerSecond) * 1e6,
        cpu: timing.cpu,
        details: {
          'sent kpps': sent.framesPerSecond / 1e3,
          'lost at the full receiving socket': received.overflow,
          'sender CPU %': (100 * sent.cpuSeconds) / sent.seconds,
          'receiver CPU %': (100 * received.cpuSeconds) / received.seconds,
        },
      };
    } finally {
      await receiver.kill();
    }
  }

  return [1, 64].map((flows) => ({
    key: `pps-64b-${flows}f`,
    group: 'pps',
    title: `UDP, 64-byte frames, ${flows} ${flows === 1 ? 'flow' : 'flows'}`,
    unit: 'kpps',
    higherIsBetter: true,
    costUnit: 'CPU us/frame',
    needs: {},
    run: (bed, seconds) => run(bed, seconds, flows),
  }));
}
