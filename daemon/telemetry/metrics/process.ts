/** The process of weftd. */
import { counter, gauge, type Metric, type Sample } from './definition.js';
import { lagSeconds, scrapeSeconds } from './durations.js';

export const processMetrics: readonly Metric[] = [
  gauge('weft_process_start_time_seconds', 'When weftd was started, in Unix time.', [], ({ parts }) => [
    [{}, parts.process.startedAt],
  ]),
  counter(
    'weft_process_cpu_seconds_total',
    'CPU time of all threads, in user space and in the kernel.',
    [],
    ({ process }) => [[{}, process.cpuSeconds]],
  ),
  counter(
    'weft_control_busy_seconds_total',
    'Time in which the thread of the control plane had work.',
    [],
    ({ process }) => [[{}, process.busySeconds]],
  ),
  lagSeconds,
  scrapeSeconds,
  gauge('weft_process_resident_memory_bytes', 'Resident memory.', [], ({ process }) => [
    [{}, process.residentBytes],
  ]),
  gauge('weft_process_heap_bytes', 'Memory of JavaScript objects in use.', [], ({ process }) => [
    [{}, process.heapBytes],
  ]),
  gauge('weft_process_open_fds', 'Open file descriptors.', [], ({ process }) => known(process.openFds)),
  gauge('weft_process_max_fds', 'File descriptors that may be open.', [], ({ process }) =>
    known(process.maxFds),
  ),
];

function known(value: number | null): Sample[] {
  return value === null ? [] : [[{}, value]];
}
