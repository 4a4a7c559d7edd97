/** Reads the text of a configuration file without trusting what stands behind its name. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { WeftError } from '../errors.js';

/** Bytes of a configuration file. */
export const largestFile = 1024 * 1024;

/** The text, or what is wrong with the contents. */
export type FileText = { text: string } | { problem: string };

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  ENXIO: 'not a regular file',
};

/** At most `largestFile` bytes are read, of a regular file only. Throws WEFT_CONFIG_UNREADABLE, whose cause has the errno. */
export function readConfigFile(file: string): FileText {
  try {
    // A FIFO without a writer would block the open.
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = fstatSync(descriptor);
      if (!status.isFile())
        throw unreadable(file, status.isDirectory() ? 'is a directory' : 'not a regular file');
      return textOf(readAtMost(descriptor, largestFile + 1));
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    if (cause instanceof WeftError) throw cause;
    const { code = '', message } = cause as NodeJS.ErrnoException;
    throw unreadable(file, reasons[code] ?? message, cause);
  }
}

function unreadable(file: string, reason: string, cause?: unknown): WeftError {
  return new WeftError('WEFT_CONFIG_UNREADABLE', { file, reason }, { cause });
}

/** The size that fstat tells is no bound: files in /proc say 0, and others grow. */
function readAtMost(descriptor: number, limit: number): Buffer {
  const bytes = Buffer.alloc(limit);
  let length = 0;
  while (length < limit) {
    const more = readSync(descriptor, bytes, length, limit - length, null);
    if (more === 0) break;
    length += more;
  }
  return bytes.subarray(0, length);
}

function textOf(bytes: Buffer): FileText {
  if (bytes.length > largestFile) return { problem: `larger than ${largestFile} bytes` };
  if (bytes.includes(0)) return { problem: 'not UTF-8 text' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { problem: 'not UTF-8 text' };
  }
}
