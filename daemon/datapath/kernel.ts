/** What the control plane asks of the kernel, through the addon or a fake of it. */
import type { Native, NativeError } from './native.js';

export type {
  Link,
  NetnsInfo,
  NetnsPath,
  PathAnswer,
  PathProbe,
  Probe,
  TapResult,
} from './native.js';

export type Kernel = Pick<
  Native,
  | 'probe'
  | 'netnsInfo'
  | 'tapCreate'
  | 'tapReattach'
  | 'links'
  | 'linksOf'
  | 'neighbour'
  | 'linkDelete'
  | 'linkSet'
  | 'pathMtu'
  | 'sourceAddress'
  | 'peerCredentials'
  | 'lock'
  | 'lockFile'
  | 'notify'
>;

/** What the doctor asks of it. */
export type Examinable = Pick<
  Native,
  | 'version'
  | 'probe'
  | 'netnsInfo'
  | 'links'
  | 'pathMtu'
  | 'sourceAddress'
  | 'probePaths'
  | 'findDuplicateAddress'
>;

/** True for what the kernel refused; `code` is then the errno name. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

export function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}

/** What the kernel answers for want of something, whatever was asked. */
const passing: ReadonlySet<string | null> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EAGAIN',
  'EINTR',
  'EIO',
]);

/** True when an error says nothing about what was asked, and it may be asked again. */
export function isPassing(error: unknown): boolean {
  return passing.has(errnoOf(error));
}
