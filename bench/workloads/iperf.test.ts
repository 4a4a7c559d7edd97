import { describe, expect, it } from 'vitest';
import { parseIperf } from './iperf.js';

const cpu = { host_total: 50, remote_total: 25 };
const report = (end: object) => JSON.stringify({ end: { cpu_utilization_percent: cpu, ...end } });

describe('parseIperf', () => {
  it('takes what the receiver got', () => {
    const result = parseIperf(
      report({
        sum_sent: { bytes: 1100, bits_per_second: 8800, retransmits: 7 },
        sum_received: { bytes: 1000, bits_per_second: 8000 },
      }),
    );
    expect(result).toEqual({
      bytes: 1000,
      bitsPerSecond: 8000,
      details: { retransmits: 7, 'iperf3 client CPU %': 50, 'iperf3 server CPU %': 25 },
    });
  });

  it('adds both directions', () => {
    const result = parseIperf(
      report({
        sum_sent: { retransmits: 7 },
        sum_received: { bytes: 1000, bits_per_second: 8e9 },
        sum_sent_bidir_reverse: { retransmits: 2 },
        sum_received_bidir_reverse: { bytes: 500, bits_per_second: 4e9 },
      }),
    );
    expect([result.bytes, result.bitsPerSecond]).toEqual([1500, 12e9]);
    expect(result.details).toMatchObject({ retransmits: 9, 'there Gbit/s': 8, 'back Gbit/s': 4 });
  });

  it('tells the loss of UDP, which has no retransmits', () => {
    const { details } = parseIperf(
      report({
        sum_sent: {},
        sum_received: { bytes: 1, bits_per_second: 8, lost_percent: 62.5, jitter_ms: 0 },
      }),
    );
    expect(details['lost %']).toBe(62.5);
    expect(details).not.toHaveProperty('retransmits');
  });

  it('refuses what is no report', () => {
    expect(() => parseIperf('{"error":"unable to connect"}')).toThrow('iperf3: unable to connect');
    expect(() => parseIperf('{}')).toThrow();
    expect(() => parseIperf('')).toThrow();
  });
});
