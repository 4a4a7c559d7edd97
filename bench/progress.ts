import { figure } from './report.js';
import type { Step } from './rounds.js';

/** A line a reading, with the time that is left at the pace so far. */
export function progress(out: NodeJS.WritableStream, now: () => number = Date.now): (step: Step) => void {
  const start = now();
  return ({ pair, measurement, reading, disturbance, kept, done }) => {
    const left = done > 0 ? ((now() - start) / done) * (1 - done) : 0;
    const verdict = disturbance === null ? '' : `  ${kept ? 'kept though' : 'discarded'}: ${disturbance}`;
    const value = `${figure(reading.value)} ${measurement.unit}`;
    const cpu = `${figure(reading.cpu.busyCpus)} CPUs`;
    const share = `${Math.round(done * 100)} %`.padStart(5);
    out.write(
      `${share}  ${pair.padEnd(6)} ${measurement.title.padEnd(40)} ${value.padStart(12)} ${cpu.padStart(10)}  ${duration(left)} left${verdict}\n`,
    );
  };
}

/** `1 min 05 s` */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
