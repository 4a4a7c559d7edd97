import { z } from 'zod';

/** Counts up when a reader of an older result would misunderstand a newer one. */
export const RESULT_FORMAT = 1;

const CpuUse = z.object({
  busyCpus: z.number(),
  stealShare: z.number(),
  otherCpus: z.number(),
  workCpus: z.number(),
  daemonCpus: z.number(),
});

const Reading = z.object({
  value: z.number(),
  cost: z.number().nullable(),
  cpu: CpuUse.nullable(),
  details: z.record(z.string(), z.number()),
});

const Series = z.object({
  figure: z.string(),
  system: z.string(),
  readings: z.array(Reading.nullable()),
  discarded: z.number().int().nonnegative(),
  reason: z.string().nullable(),
});

const Figure = z.object({
  key: z.string(),
  group: z.string(),
  title: z.string(),
  unit: z.string(),
  higherIsBetter: z.boolean(),
  costUnit: z.string().nullable(),
});

const SystemInfo = z.object({
  key: z.string(),
  title: z.string(),
  layer: z.union([z.literal(2), z.literal(3)]),
  version: z.string(),
  /** Bytes of IP; null where no guests were made. */
  guestMtu: z.number().nullable(),
  /** Why it was not measured; null where it was. */
  failure: z.string().nullable(),
});

const Machine = z.object({
  /** As in the names of files: results of one name are comparable. */
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  cpus: z.number().int().positive(),
  model: z.string(),
  kernel: z.string(),
  node: z.string(),
  /** Whether bridged packets ran through the firewall; absent where nobody looked. */
  bridgeFirewall: z.boolean().optional(),
});

const Result = z.object({
  format: z.literal(RESULT_FORMAT),
  /** When the run ended, ISO 8601 in UTC. */
  date: z.iso.datetime(),
  /** Abbreviated commit of the checkout, with `+` where it was changed; null outside of one. */
  commit: z.string().nullable(),
  machine: Machine,
  rounds: z.number().int().positive(),
  /** Of one reading. */
  seconds: z.number().positive(),
  /** Whether readings count in which others took part. */
  keepDisturbed: z.boolean(),
  /** CPUs that the machine used when nothing was measured. */
  idleCpus: z.number(),
  /** Key of the system that the others are compared with. */
  subject: z.string(),
  systems: z.array(SystemInfo),
  /** Every figure that was asked for, in the order of the tables. */
  figures: z.array(Figure),
  series: z.array(Series),
});

/** All of a run, as it is kept in a file. */
export type Result = z.infer<typeof Result>;
export type SystemInfo = z.infer<typeof SystemInfo>;

/** A file that holds no result, or one that this version cannot read. */
export class ResultError extends Error {
  override readonly name = 'ResultError';
}

/** Reads what {@link stringifyResult} wrote. `name` stands in the error of what is none. */
export function parseResult(text: string, name: string): Result {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ResultError(`${name} is no JSON`);
  }
  const { format } = z.object({ format: z.unknown() }).catch({ format: undefined }).parse(json);
  if (format === undefined)
    throw new ResultError(`${name} is no result of the benchmark: it has no format number`);
  if (format !== RESULT_FORMAT) {
    throw new ResultError(`${name} has format ${String(format)}; this version reads format ${RESULT_FORMAT}`);
  }
  const parsed = Result.safeParse(json);
  if (!parsed.success)
    throw new ResultError(`${name} is no result of the benchmark:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** One line a reading, so that a difference of two results is readable; six digits of a figure, which is more than any of them holds. */
export function stringifyResult(result: Result): string {
  const { series, ...head } = Result.parse(result);
  const lines = series.map(({ readings, ...one }) => {
    const rows = readings.map((reading) => `      ${JSON.stringify(reading, short)}`);
    const start = JSON.stringify(one).slice(0, -1);
    return `    ${start},"readings":[${rows.length === 0 ? '' : `\n${rows.join(',\n')}\n    `}]}`;
  });
  const body = JSON.stringify(head, null, 2).slice(0, -2);
  return `${body},\n  "series": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

function short(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}
