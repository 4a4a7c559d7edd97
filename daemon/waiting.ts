/** Waiting that says what it waits for. */

export interface Waiting {
  /** Aborted: nobody waits any more, and its reason is thrown. */
  stopping: AbortSignal | undefined;
  /** Called again and again while it takes long. */
  say(seconds: number): void;
  /** Seconds. */
  every?: number;
}

export async function whileWaiting<T>(
  work: () => Promise<T>,
  { stopping, say, every = 5 }: Waiting,
): Promise<T> {
  let times = 0;
  const timer = setInterval(() => say(++times * every), every * 1000);
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(stopping?.reason);
    stopping?.addEventListener('abort', abort, { once: true });
  });
  const done = work();
  // Nobody asks how it ended once the wait was given up.
  done.catch(() => undefined);
  try {
    return await Promise.race([done, aborted]);
  } finally {
    clearInterval(timer);
    if (abort !== undefined) stopping?.removeEventListener('abort', abort);
  }
}
