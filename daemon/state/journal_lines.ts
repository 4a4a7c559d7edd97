/**
 * The lines that the state is kept in. Each stands twice, between line ends of its own, and with a checksum: whichever byte changes, one of
 * the two copies is still whole. The first line is the header; the others are changes, numbered without a gap. docs/internals/state.md
 */
import { crc32 } from 'node:zlib';
import type { Machine } from './machine.js';

/** Its shape stays as it is for ever, so that every version can tell what wrote a file. */
export interface Header {
  format: 'weft-state';
  schema: number;
  /** The host ID. */
  host: string;
  /** Where it was written; null where that cannot be told. */
  machine: Machine | null;
  /** Version of weft that wrote it. */
  version: string;
  /** Lines that were there from the start: the file was never without them. */
  lines: number;
}

export type Operation = ['put', string, string, unknown] | ['delete', string, string];

export interface Journal {
  header: Header;
  /** In their order, as many as lines. */
  changes: Operation[][];
  /** Offset behind the last line: what follows, if anything, was never finished. null when no line can follow, as that one is cut off. */
  end: number | null;
  /** Lines of which a copy is not what was written; the other one was whole. */
  repaired: number;
  /** A write was cut off: the last line stands only once, or is followed by a part of another one. */
  unfinished: boolean;
}

/** The file is not what was written, and cannot be put right. */
export class Damage extends Error {}

const lineEnd = 10;
/** The checksum and the space behind it. */
const prefixLength = 9;

export function headerLines(header: Header): Buffer {
  return twice({ n: 0, header });
}

/** Both copies together have at least so many bytes. */
export function changeLines(number: number, operations: readonly Operation[], atLeast = 0): Buffer {
  const lines = twice({ n: number, operations });
  if (lines.length >= atLeast) return lines;
  return twice({ n: number, operations }, Math.ceil((atLeast - lines.length) / 2));
}

/** Spaces behind it belong to no value of JSON. */
function twice(content: object, spaces = 0): Buffer {
  return twiceOf(Buffer.from(JSON.stringify(content) + ' '.repeat(spaces)));
}

function twiceOf(json: Buffer): Buffer {
  const line = [Buffer.from(`\n${checksum(json)} `), json, Buffer.from('\n')];
  return Buffer.concat([...line, ...line]);
}

function checksum(json: Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0');
}

type Content = { n: number; header?: Header; operations?: Operation[] };

/** Throws {@link Damage} when a line is missing that was finished once. */
export function readJournal(bytes: Buffer): Journal {
  const found = new Map<number, { json: Buffer; content: Content }>();
  let seen = 0;
  let last = -1;
  for (const [from, to] of lines(bytes)) {
    const line = bytes.subarray(from, to);
    const content = contentOf(line);
    if (content === null) continue;
    const json = line.subarray(prefixLength);
    const other = found.get(content.n);
    if (other !== undefined && !other.json.equals(json))
      throw new Damage(`it has line ${content.n} in two forms`);
    found.set(content.n, { json, content });
    last = Math.max(last, content.n);
    seen = Math.min(to + 1, bytes.length);
  }

  const header = readHeader(bytes);
  const changes: Operation[][] = [];
  for (let number = 1; number <= last; number++) {
    const operations = found.get(number)?.content.operations;
    if (operations === undefined) throw new Damage(`line ${number} of ${last} cannot be read`);
    changes.push(operations);
  }
  if (last < header.lines) throw new Damage(`it ends after line ${last} of ${header.lines}`);

  let repaired = 0;
  let unfinished = false;
  let end = 0;
  for (let number = 0; number <= last; number++) {
    const { json } = found.get(number) as { json: Buffer };
    const asWritten = twiceOf(json);
    const there = bytes.subarray(end, end + asWritten.length);
    end += asWritten.length;
    if (there.equals(asWritten)) continue;
    if (number === last && mayBeCutOff(there, asWritten)) unfinished = true;
    else repaired++;
  }
  const tail = bytes.subarray(Math.max(end, seen));
  if (!mayBeUnfinished(tail)) throw new Damage(`what follows line ${last} cannot be read`);
  const inPlace = seen <= end && end <= bytes.length;
  return {
    header,
    changes,
    end: inPlace ? end : null,
    repaired,
    unfinished: unfinished || tail.length > 0,
  };
}

/** Throws {@link Damage} when neither copy of the header can be read; the other lines do not matter. */
export function readHeader(bytes: Buffer): Header {
  for (const [from, to] of lines(bytes)) {
    const content = contentOf(bytes.subarray(from, to));
    if (content?.n === 0 && content.header?.format === 'weft-state') return content.header;
  }
  throw new Damage(bytes.length === 0 ? 'it is empty' : 'it does not begin as it should');
}

/** Where each line that is not empty begins and ends. */
function* lines(bytes: Buffer): Generator<[number, number]> {
  for (let from = 0; from < bytes.length; ) {
    const next = bytes.indexOf(lineEnd, from);
    const to = next < 0 ? bytes.length : next;
    if (to > from) yield [from, to];
    from = to + 1;
  }
}

function contentOf(line: Buffer): Content | null {
  const json = line.subarray(prefixLength);
  if (line.toString('latin1', 0, prefixLength) !== `${checksum(json)} `) return null;
  try {
    const content = JSON.parse(json.toString('utf8')) as Content | null;
    return Number.isInteger(content?.n) ? content : null;
  } catch {
    return null;
  }
}

/** Whether a write that did not reach the disk wholly leaves this: the file ends early, or has zeros where blocks are missing. */
function mayBeCutOff(there: Buffer, asWritten: Buffer): boolean {
  return there.every((byte, index) => byte === 0 || byte === asWritten[index]);
}

/**
 * What stands behind the last line that can be read may be of one write that was cut off, and of which nobody was told that it is kept. As
 * no line has a zero, and each is on the disk before the next one is written, it is either the beginning of a first copy, without its
 * end; or it lacks blocks, which are zeros, and has no more line ends than one write. All else was finished once.
 */
function mayBeUnfinished(tail: Buffer): boolean {
  if (tail.length === 0) return true;
  const lineEnds = tail.reduce((sum, byte) => sum + (byte === lineEnd ? 1 : 0), 0);
  if (tail.includes(0)) return lineEnds <= 4;
  return tail[0] === lineEnd && lineEnds === 1;
}
