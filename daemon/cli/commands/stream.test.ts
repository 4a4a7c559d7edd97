import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { type Result, runCli, type Surroundings } from '../testing/run_cli.js';
import { runts } from '../testing/samples.js';

let daemon: FakeDaemon;
const weft = (argv: string[], surroundings: Surroundings = {}): Promise<Result> =>
  runCli(['--socket', daemon.socket, ...argv], surroundings);

beforeEach(async () => {
  daemon = await FakeDaemon.start();
});
afterEach(() => daemon.stop());

describe('weft events', () => {
  const event = { time: '2026-01-01T00:00:00Z', type: 'mac-learned', object: 'blue', message: 'It came.' };
  const line = `${JSON.stringify(event)}\n`;
  const stream = (send: (response: ServerResponse) => void): void => {
    daemon.answers = {
      'GET /v1/events': (response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        send(response);
      },
    };
  };

  it('needs --follow', async () => {
    const { exit, stderr } = await weft(['events']);
    expect(exit).toBe(2);
    expect(stderr).toContain('--follow is needed');
    expect(daemon.asked).toEqual([]);
  });

  it('prints sentences without the heartbeats, until interrupted', async () => {
    stream((response) => {
      // Pieces that end anywhere, as a network delivers them.
      response.write(`\n${line.slice(0, 20)}`);
      setImmediate(() => response.write(`${line.slice(20)}\n\n${line}`));
    });
    const result = await weft(['events', '--follow'], {
      onOutput: (stdout, interrupt) => stdout.split('\n').length > 2 && interrupt(),
    });
    const sentence = '2026-01-01T00:00:00Z  mac-learned  blue  It came.\n';
    expect(result).toEqual({ exit: 0, stdout: sentence + sentence, stderr: '' });
  });

  it('prints one JSON document a line', async () => {
    stream((response) => response.write(line));
    const result = await weft(['--json', 'events', '--follow'], {
      onOutput: (_stdout, interrupt) => interrupt(),
    });
    expect(result).toEqual({ exit: 0, stdout: line, stderr: '' });
  });

  it('exits with 3 when the daemon ends the stream', async () => {
    stream((response) => void response.end(line));
    const { exit, stdout, stderr } = await weft(['events', '--follow']);
    expect(exit).toBe(3);
    expect(stdout).toContain('It came.');
    expect(stderr).toContain('it ended the stream');
  });

  it('exits with 3 when even the heartbeats stop', async () => {
    stream((response) => void response.write('\n'));
    const { exit, stderr } = await weft(['events', '--follow'], { limits: { silence: 100 } });
    expect(exit).toBe(3);
    expect(stderr).toContain('it fell silent');
  });

  it.each([
    ['a line without end', 'x'.repeat(2000), 'it sends a line without end'],
    ['no JSON', 'hello\n', 'its answer is not the object that the API promises'],
  ])('exits with 3 for %s', async (_what, text, reason) => {
    stream((response) => void response.write(text));
    const { exit, stderr } = await weft(['events', '--follow'], { limits: { line: 1000 } });
    expect(exit).toBe(3);
    expect(stderr).toContain(reason);
  });

  it('reports what the daemon refuses', async () => {
    daemon.answers = { 'GET /v1/events': refusal('WEFT_PERMISSION', 'not permitted: this', 403) };
    const { exit, stderr } = await weft(['events', '--follow']);
    expect(exit).toBe(6);
    expect(stderr).toContain('not permitted: this');
  });
});

describe('weft drops', () => {
  const never = { ...runts, reason: 'ip_length', count: 0, sentence: 'Too long.' };
  const full = { ...runts, reason: 'port_full', stage: 'egress', count: 3000000, sentence: 'Full.' };

  it('prints the reasons that happened, the most frequent first', async () => {
    daemon.answers = { 'GET /v1/drops': { status: 200, body: [runts, never, full] } };
    expect((await weft(['drops'])).stdout).toBe(
      [
        'REASON        FRAMES  STAGE    FAULT  MEANING',
        'port_full  3,000,000  egress   guest  Full.',
        'runt           1,200  ingress  guest  The frame is shorter than an Ethernet header.',
        '',
      ].join('\n'),
    );
    expect((await weft(['drops', '--all'])).stdout).toContain('ip_length          0  ingress');
  });

  it('prints all of the API as JSON', async () => {
    daemon.answers = { 'GET /v1/drops': { status: 200, body: [runts, never] } };
    expect(JSON.parse((await weft(['drops', '--json'])).stdout)).toEqual([runts, never]);
  });

  it('says when nothing was dropped', async () => {
    daemon.answers = { 'GET /v1/drops': { status: 200, body: [never] } };
    expect(await weft(['drops'])).toEqual({ exit: 0, stdout: '', stderr: 'No frame was dropped.\n' });
  });

  /** Counts that go up by `step` from round to round. */
  const counting = (step: number): void => {
    let count = 1200 - step;
    daemon.answers = {
      'GET /v1/drops': (response) => {
        count += step;
        response.end(JSON.stringify([{ ...runts, count }, never]));
      },
    };
  };
  const rounds =
    (wanted: number, mark: RegExp) =>
    (stdout: string, interrupt: () => void): void => {
      if ([...stdout.matchAll(mark)].length >= wanted) interrupt();
    };

  it('prints lines with the rate for --watch without a terminal', async () => {
    counting(100);
    const result = await weft(['drops', '--watch'], { limits: { watch: 1 }, onOutput: rounds(2, /runt/g) });
    expect({ exit: result.exit, stderr: result.stderr }).toEqual({ exit: 0, stderr: '' });
    expect(result.stdout).toMatch(
      /^\S+Z {2}ingress {2}runt {2}1200 {2}-\n\S+Z {2}ingress {2}runt {2}1300 {2}[\d,]+\/s\n$/,
    );
    expect(result.stdout).not.toContain('/s\n0/s');
  });

  it('prints no line for what did not change', async () => {
    counting(0);
    const result = await weft(['drops', '--watch'], {
      limits: { watch: 1 },
      onOutput: (_stdout, interrupt) => daemon.asked.length >= 3 && interrupt(),
    });
    expect(result.stdout.split('\n')).toHaveLength(2);
  });

  it('draws again on a terminal', async () => {
    counting(100);
    const result = await weft(['drops', '--watch'], {
      tty: true,
      env: { NO_COLOR: '1' },
      limits: { watch: 1 },
      onOutput: rounds(2, /REASON/g),
    });
    expect(result.stdout.startsWith('\x1b[H\x1b[JREASON  FRAMES  RATE')).toBe(true);
    expect(result.stdout).toMatch(/1,300 {2,}[\d,]+\/s/);
  });

  it('prints one JSON document a round', async () => {
    counting(100);
    const result = await weft(['drops', '--watch', '--json'], {
      limits: { watch: 1 },
      onOutput: rounds(2, /\n/g),
    });
    const counts = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { count: number }[])[0]?.count);
    expect(counts).toEqual([1200, 1300]);
  });

  it('ends with 3 when the daemon goes away', async () => {
    daemon.answers = {
      'GET /v1/drops': (response) => {
        daemon.answers = { 'GET /v1/drops': (next) => void next.destroy() };
        response.end('[]');
      },
    };
    expect((await weft(['drops', '--watch'], { limits: { watch: 1 } })).exit).toBe(3);
  });
});
