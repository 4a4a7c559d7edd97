/** The last thing that a weftd does. */
import type { Logger } from 'pino';
import { loadNative } from './datapath/load.js';

/** What Node calls a call to a file system that somebody waits for. */
const fileCall = /^FS|^FileHandle/;
/** And the other calls that occupy a thread of libuv's pool. */
const poolCall = /^GetAddrInfo|^GetNameInfo/;

/**
 * Ends the process at once. Its exit would wait for the threads of libuv's pool, for as long as a disk or a resolver does not answer them,
 * while nothing is forwarded any more.
 */
export function endNow(status: number, log: Logger | null): never {
  const calls = process.getActiveResourcesInfo();
  const onDisk = calls.some((name) => fileCall.test(name));
  if (onDisk)
    log?.warn('weftd ends while its disk does not answer; the kernel may keep the process until it does');
  if (onDisk || calls.some((name) => poolCall.test(name))) loadNative().endProcess(status);
  process.exit(status);
}
