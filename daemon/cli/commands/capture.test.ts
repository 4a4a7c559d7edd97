import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeDaemon, refusal } from '../testing/fake_daemon.js';
import { block, frame, statistics } from '../testing/pcapng.js';
import { type Result, runCli, type Surroundings } from '../testing/run_cli.js';

const head = Buffer.concat([block(0x0a0d0d0a, Buffer.alloc(16)), block(1, Buffer.alloc(8))]);
const whole = Buffer.concat([
  head,
  frame(60),
  frame(90),
  statistics(3, 'the capture ended: the time was over'),
]);

let daemon: FakeDaemon;
let dir: string;
let file: string;

beforeEach(async () => {
  daemon = await FakeDaemon.start();
  dir = mkdtempSync(join(tmpdir(), 'weft-capture-'));
  file = join(dir, 'out.pcapng');
});

afterEach(async () => {
  await daemon.stop();
  rmSync(dir, { recursive: true });
});

function weft(words: readonly string[], surroundings: Surroundings = {}): Promise<Result> {
  return runCli(['--socket', daemon.socket, 'capture', ...words], { cwd: dir, ...surroundings });
}

function answerWith(bytes: Buffer, end = true): void {
  daemon.answers['POST /v1/captures'] = (response) => {
    response.writeHead(200, {
      'content-type': 'application/x-pcapng',
      'weft-capture': 'c-7',
      connection: 'close',
    });
    response.write(bytes);
    if (end) response.end();
  };
}

describe('weft capture', () => {
  it('writes a file that only its owner may read, and says what is missing', async () => {
    answerWith(whole);
    expect(await weft(['web', '-w', 'out.pcapng'])).toEqual({
      exit: 0,
      stdout: '',
      stderr:
        '2 frames captured; 3 frames left out, because the reader was too slow (the capture ended: the time was over)\n',
    });
    expect(readFileSync(file).equals(whole)).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('writes to standard output where that is no terminal, or is named', async () => {
    answerWith(whole);
    for (const words of [['web'], ['web', '-w', '-']])
      expect((await weft(words)).bytes?.equals(whole)).toBe(true);
  });

  it('says with --json what is in the file', async () => {
    answerWith(whole);
    const { stdout, stderr } = await weft(['web', '-w', file, '--json']);
    expect(JSON.parse(stdout)).toEqual({
      file,
      frames: 2,
      lost: 3,
      end: 'the capture ended: the time was over',
    });
    expect(stderr).toBe('');
  });

  it('asks for what was wanted', async () => {
    answerWith(whole);
    await weft([
      ...['web', '-w', file, '-c', '5', '--duration', '2m', '--max-size', '20M', '-s', '96'],
      ...['-Q', 'in', '--kind', 'port'],
    ]);
    expect(daemon.asked).toEqual([
      {
        method: 'POST',
        path: '/v1/captures',
        body: {
          target: 'web',
          kind: 'port',
          direction: 'in',
          frames: 5,
          seconds: 120,
          bytes: 20_000_000,
          snaplen: 96,
        },
      },
    ]);
  });

  it('ends the capture when it is interrupted, and takes what is left of it', async () => {
    let respond: (() => void) | undefined;
    daemon.answers['POST /v1/captures'] = (response) => {
      response.writeHead(200, { 'weft-capture': 'c-7' });
      response.write(head);
      respond = () => response.end(Buffer.concat([frame(60), statistics(0, 'it was asked to')]));
    };
    daemon.answers['DELETE /v1/captures/c-7'] = (response) => {
      response.writeHead(204);
      response.end();
      respond?.();
    };
    const interruption = new AbortController();
    const running = weft(['web', '-w', file], { interruption });
    while (!existsSync(file) || statSync(file).size < head.length) await pause(5);
    interruption.abort();
    expect(await running).toMatchObject({ exit: 0, stderr: '1 frame captured\n' });
  });

  it('fails when it was cut off, and leaves whole blocks', async () => {
    answerWith(Buffer.concat([head, frame(60), frame(60).subarray(0, 20)]));
    const { exit, stderr } = await weft(['web', '-w', file]);
    expect(exit).toBe(3);
    expect(stderr).toContain('it cut the capture off');
    expect(readFileSync(file).equals(Buffer.concat([head, frame(60)]))).toBe(true);
  });

  it('leaves a file that is there as it is when the daemon refuses', async () => {
    daemon.answers['POST /v1/captures'] = refusal('WEFT_CAPTURE_TARGET', 'there is no such thing');
    writeFileSync(file, 'precious');
    const { exit, stderr } = await weft(['web', '-w', file]);
    expect(exit).toBe(4);
    expect(stderr).toContain('there is no such thing');
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });

  it.each([
    [['-w', '/nowhere/x.pcapng'], 'cannot write to /nowhere/x.pcapng'],
    [['-w', '/dev/full'], 'cannot write to /dev/full: ENOSPC'],
  ])('says why it cannot write: %j', async (words, text) => {
    answerWith(whole, false);
    const { exit, stderr } = await weft(['web', ...words]);
    expect(exit).toBe(1);
    expect(stderr).toContain(text);
  });

  it.each([
    [['-w', 'x', '--print'], 'two ways'],
    [['-w', 'x', '-s', '13'], '--snaplen: expected'],
    [['-w', 'x', '--duration', '5'], '--duration: expected'],
    [['-w', 'x', '--duration', '501h'], 'at most 500h'],
    [['-w', 'x', '--max-size', '5T'], '--max-size: expected'],
    [['-w', 'x', '-c', '0'], '--count: expected'],
    [['-w', 'x', '-Q', 'up'], 'expected'],
  ])('refuses %j', async (words, text) => {
    const { exit, stderr } = await weft(['web', ...words]);
    expect(exit).toBe(2);
    expect(stderr).toContain(text);
    expect(daemon.asked).toEqual([]);
  });

  it('does not write a file to a terminal', async () => {
    const { exit, stderr } = await weft(['web', '-w', '-'], { tty: true });
    expect(exit).toBe(2);
    expect(stderr).toContain('a terminal cannot show the file');
  });

  describe('by a program that prints', () => {
    /** Frames until the connection ends. */
    const endless = (): void => {
      daemon.answers['POST /v1/captures'] = (response) => {
        response.writeHead(200, { 'weft-capture': 'c-7', connection: 'close' });
        response.write(head);
        const more = setInterval(() => response.write(frame(60)), 5);
        response.on('close', () => clearInterval(more));
      };
    };
    /** What is a tcpdump here. */
    const printer = (script: string): void => {
      writeFileSync(join(dir, 'tcpdump'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      vi.stubEnv('PATH', `${dir}:${process.env.PATH}`);
    };
    afterEach(() => void vi.unstubAllEnvs());

    it.each(['exit 0', 'kill -PIPE $$', "echo 'tcpdump: Unable to write output: Broken pipe' >&2; exit 14"])(
      'ends quietly with it: %s',
      async (end) => {
        endless();
        printer(`head -c 20 > ${dir}/read; ${end}`);
        const { exit, stderr } = await weft(['web', '--print']);
        expect({ exit, stderr }).toEqual({
          exit: 0,
          stderr: expect.stringMatching(/^\d+ frames? captured\n$/),
        });
        expect(statSync(join(dir, 'read')).size).toBe(20);
      },
    );

    it.each([
      ['in the middle', 'exit 3', endless],
      ['at the end', 'cat > /dev/null; echo No space left on device >&2; exit 3', () => answerWith(whole)],
    ])('says that it failed %s', async (_when, script, answer) => {
      answer();
      printer(script);
      const { exit, stderr } = await weft(['web', '--print']);
      expect(exit).toBe(1);
      expect(stderr).toContain('cannot write to tcpdump: it ended with exit status 3 (WEFT_CAPTURE_OUTPUT)');
    });

    it('says that the connection was cut, and not that it went away', async () => {
      answerWith(Buffer.concat([head, frame(60)]));
      printer('echo reading >&2; cat > /dev/null');
      const { exit, stderr } = await weft(['web', '--print']);
      expect(exit).toBe(3);
      expect(stderr).toContain('it cut the capture off');
      expect(stderr).toContain('reading\n');
    });
  });

  it.each([
    ['what has another beginning', Buffer.from('networks: {}\n')],
    ['what is too short for one', Buffer.from([0x0a, 0x0d])],
  ])('leaves a file as it is that holds %s', async (_what, bytes) => {
    answerWith(whole);
    writeFileSync(file, bytes);
    const { exit, stderr } = await weft(['web', '-w', file]);
    expect(exit).toBe(5);
    expect(stderr).toContain('(WEFT_CAPTURE_FILE)');
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['pcapng', Buffer.concat([whole, whole])],
    ['pcap', Buffer.from('d4c3b2a102000400', 'hex')],
    ['pcap of nanoseconds, of the other byte order', Buffer.from('a1b23c4d', 'hex')],
  ])('writes over a file that holds %s', async (_what, bytes) => {
    answerWith(whole);
    writeFileSync(file, bytes);
    expect((await weft(['web', '-w', file])).exit).toBe(0);
    expect(readFileSync(file).equals(whole)).toBe(true);
  });

  it('takes what is no pcapng for a mistake', async () => {
    answerWith(Buffer.from('HELLO WORLD, THIS IS NO FILE'));
    expect((await weft(['web', '-w', file])).stderr).toContain('weftd sent what is no pcapng');
  });
});
