/** POST /v1/captures: the engine answers, on the connection of the request. */
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { WeftError } from '../errors.js';
import type { Captures } from '../telemetry/captures.js';
import type { CaptureCreate } from './schema.js';
import { descriptorOf } from './unix_socket.js';

export function streamCapture(
  bindings: HttpBindings | undefined,
  captures: Pick<Captures, 'start'>,
  wanted: CaptureCreate,
  pid: number | null,
): Response {
  const socket = bindings?.incoming?.socket;
  const fd = descriptorOf(socket);
  if (socket === undefined || fd === null) throw new WeftError('WEFT_CAPTURE_CONNECTION');
  captures.start(wanted, {
    fd,
    pid,
    onClose: (listener) => void socket.once('close', listener),
    destroy: () => void socket.destroy(),
  });
  return RESPONSE_ALREADY_SENT;
}
