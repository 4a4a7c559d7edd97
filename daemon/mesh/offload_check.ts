/** One check of one peer: bursts of several shapes, each sent by UDP_SEGMENT and one by one, and what follows from the answers. */
import type { OffloadExchange } from './offload_exchange.js';
import { type Arrival, type Attempt, judge, sum } from './offload_verdict.js';

export type CheckState = 'passed' | 'failed' | 'no-answer' | 'pending' | 'off';

export interface CheckResult {
  state: CheckState;
  /** A sentence for a person, without a full stop. */
  detail: string;
}

/** Two, because some devices fail at the first cut; as many as one send holds; and as many small ones, which are more. */
function shapesOf(largestFrame: number): { datagrams: number; bytes: number }[] {
  return [
    { datagrams: 2, bytes: largestFrame },
    { datagrams: 128, bytes: largestFrame },
    { datagrams: 128, bytes: Math.min(largestFrame, 300) },
  ];
}

const noAnswer =
  'the peer does not answer: weftd does not run there, does not have this host as its peer, or a firewall is between; or it is not weft';

/** Errors of the kernel that say that it does not do UDP_SEGMENT here (or not any more), rather than not now. */
const refusals: ReadonlySet<string> = new Set(['EIO', 'EINVAL', 'EOPNOTSUPP']);

/** `largestFrame`: bytes of the Ethernet frame that fits to the peer. Never rejects. */
export async function checkOffload(
  exchange: OffloadExchange,
  peer: string,
  largestFrame: number,
): Promise<CheckResult> {
  const passed: number[] = [];
  for (const shape of shapesOf(largestFrame)) {
    const attempts: Attempt[] = [];
    for (let verdict = judge(attempts); verdict !== 'intact'; verdict = judge(attempts)) {
      if (verdict === 'damaged') return damaged(attempts);
      if (verdict === 'unclear')
        return { state: 'pending', detail: `frames of ${shape.bytes} bytes do not arrive either way` };
      // The same source port for both, and another one the next time: the underlay has several paths.
      const flow = attempts.length;
      const arrivals: Arrival[] = [];
      for (const segmented of [false, true]) {
        const outcome = await exchange.burst(peer, { ...shape, segmented, flow });
        if (outcome.outcome === 'silence') return silence(passed.length + attempts.length + arrivals.length);
        if (outcome.outcome === 'refused') return refused(outcome.error, segmented);
        arrivals.push(outcome);
      }
      const [plain, segmented] = arrivals as [Arrival, Arrival];
      attempts.push({ plain, segmented });
    }
    passed.push(attempts.at(-1)?.segmented.sent ?? 0);
  }
  return { state: 'passed', detail: `bursts of ${passed.join(', ')} datagrams arrived as they were sent` };
}

function damaged(attempts: readonly Attempt[]): CheckResult {
  const missing = sum(attempts.map(({ segmented }) => segmented.missing.length));
  const sent = sum(attempts.map(({ segmented }) => segmented.sent));
  return { state: 'failed', detail: `bursts arrive damaged (${missing} of ${sent} datagrams)` };
}

function silence(answers: number): CheckResult {
  if (answers > 0) return { state: 'pending', detail: 'the peer stopped answering' };
  return { state: 'no-answer', detail: noAnswer };
}

function refused(error: string, segmented: boolean): CheckResult {
  if (segmented && refusals.has(error))
    return { state: 'off', detail: `the kernel refuses UDP_SEGMENT (${error})` };
  // Netfilter's word for a datagram that it drops. What guests send in bursts would be dropped alike.
  if (segmented && error === 'EPERM') {
    const detail =
      'a firewall of this host refuses bursts (EPERM): let it pass UDP of any length to the peer';
    return { state: 'failed', detail };
  }
  if (error === 'EPERM') {
    const detail = 'a firewall of this host refuses what weftd sends (EPERM): let it pass UDP to the peer';
    return { state: 'pending', detail };
  }
  return { state: 'pending', detail: `the burst could not be sent (${error})` };
}
