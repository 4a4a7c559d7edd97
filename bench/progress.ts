import { numberText } from './number-text.js';
import type { Step } from './rounds.js';

/** A line a reading, with the time that is left at the pace so far. */
export function progress(out: NodeJS.WritableStream): (step: Step) => void {
  return ({ system, figure, reading, trouble, kept, done, millisecondsLeft }) => {
    const share = `${Math.round(done * 100)} %`.padStart(5);
    const left = `${duration(millisecondsLeft)} left`.padStart(17);
    const name = `${system.padEnd(12)} ${figure.title.padEnd(44)}`;
    if (reading === null) {
      out.write(`${share} ${left}  ${name} ${trouble}\n`);
      return;
    }
    const value = `${numberText(reading.value)} ${figure.unit}`.padStart(13);
    const cpu = (reading.cpu === null ? '' : `${numberText(reading.cpu.busyCpus)} CPUs`).padStart(10);
    const verdict = trouble === null ? '' : `  ${kept ? 'kept though' : 'discarded'}: ${trouble}`;
    out.write(`${share} ${left}  ${name} ${value} ${cpu}${verdict}\n`);
  };
}

/** `1 min 05 s`, `2 h 05 min` */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
