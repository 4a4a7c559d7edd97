/** GET /v1/events: newline-delimited JSON that ends when the client goes. */
import type { Context } from 'hono';
import { stream } from 'hono/streaming';
import { WeftError } from '../errors.js';
import type { EventBus } from '../telemetry/events.js';

/** An empty line this often shows both ends that the other lives. */
const heartbeat = 15_000;
const mostFollowers = 64;

export function streamEvents(c: Context, events: EventBus): Response {
  if (events.followers >= mostFollowers) {
    throw new WeftError('WEFT_INVALID', {
      field: 'events',
      reason: `${mostFollowers} clients follow already`,
    });
  }
  const queue = events.follow();
  c.header('Content-Type', 'application/x-ndjson');
  return stream(c, async (out) => {
    let gone = false;
    out.onAbort(() => {
      gone = true;
      queue.close();
    });
    try {
      // The headers leave with the first byte, so a client knows at once that it follows.
      await out.write('\n');
      while (!gone && !out.closed) {
        const batch = await queue.take(heartbeat);
        await out.write(
          batch.length === 0 ? '\n' : batch.map((event) => `${JSON.stringify(event)}\n`).join(''),
        );
      }
    } finally {
      queue.close();
    }
  });
}
