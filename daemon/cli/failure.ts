/** How a command fails: one text, one JSON body and one exit status, whether the mistake was found here or by the daemon. */
import { type ErrorCode, type ErrorDetails, errorTable, WeftError } from '../errors.js';

/** The shape of ErrorSchema. The code is any string: a newer daemon may know more of them. */
export interface FailureBody {
  code: string;
  message: string;
  remedy: string;
  details: ErrorDetails;
}

/** An error that the daemon answered. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly body: FailureBody;
  readonly exit: number;

  constructor(status: number, body: FailureBody) {
    super(body.message);
    this.body = body;
    this.exit = Object.hasOwn(errorTable, body.code)
      ? errorTable[body.code as ErrorCode].exit
      : exitOfStatus(status);
  }
}

/** A failure that reads otherwise for people than its message, code and remedy: `text` is printed as it is. */
export class WordedFailure extends Error {
  override readonly name = 'WordedFailure';
  readonly text: string;
  readonly body: FailureBody;
  readonly exit: number;

  constructor(text: string, body: FailureBody, exit: number) {
    super(body.message);
    this.text = text;
    this.body = body;
    this.exit = exit;
  }
}

function exitOfStatus(status: number): number {
  if (status === 400) return 2;
  if (status === 404) return 4;
  return status === 409 ? 5 : 1;
}

/** `path` is of the command or group that was meant, as far as that was understood. */
export function usageError(reason: string, path: readonly string[] = []): WeftError {
  return new WeftError('WEFT_USAGE', { reason, command: ['weft', ...path].join(' ') });
}

/** A usage error that a command itself found, with whose help to see; anything else as it is. */
export function inCommand(thrown: unknown, path: readonly string[]): unknown {
  const isUsage = thrown instanceof WeftError && thrown.code === 'WEFT_USAGE';
  return isUsage && path.length > 0 ? usageError(thrown.message, path) : thrown;
}

/** What anything that was thrown comes to; what is not meant for people is a defect. */
export function toFailure(thrown: unknown): { body: FailureBody; exit: number; text?: string } {
  if (thrown instanceof WordedFailure) return { body: thrown.body, exit: thrown.exit, text: thrown.text };
  if (thrown instanceof RemoteError) return { body: thrown.body, exit: thrown.exit };
  if (thrown instanceof WeftError) return { body: thrown.toBody(), exit: thrown.exit };
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return toFailure(new WeftError('WEFT_INTERNAL', { reason }));
}

/** True when the daemon answered one of these codes. */
export function isRemote(thrown: unknown, codes: readonly ErrorCode[]): boolean {
  return thrown instanceof RemoteError && (codes as readonly string[]).includes(thrown.body.code);
}
