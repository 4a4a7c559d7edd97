/**
 * Milliseconds since the epoch as they were when the process started, and steadily on from there: nothing expires, and nothing waits for
 * days, because somebody sets the clock. Whatever decides by how long ago something was asks here; Date is for what people read.
 */
export function steadyNow(): number {
  return Math.round(start + performance.now());
}

const start = Date.now() - performance.now();
