/**
 * What weft hosts ask each other about a way, and reply: JSON in a query of its own topic. A field that is not known is left out or passed over,
 * so both may grow. What comes is a peer's word: every value is checked, and bounded, before anything is made of it.
 */
import { z } from 'zod';
import { parseAddress } from '../model/address.js';
import { parseMac } from '../model/mac.js';
import type { FarAccount } from './snapshot.js';

/** Of a way on the network with this VNI. Names are those of the host that asks. */
export interface FarQuestion {
  network: string;
  vni: number;
  fromMac: string | null;
  toMac: string | null;
  toAddress: string | null;
  toName: string | null;
}

const mac = z.string().refine((text) => parseMac(text) === text);
const address = z.string().refine((text) => parseAddress(text) === text);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const vni = z.number().int().min(0).max(0xff_ffff);
const orNull = <T extends z.ZodType>(of: T) => of.nullable().default(null);

const QuestionSchema = z.object({
  network: z.string().min(1).max(128),
  vni,
  fromMac: orNull(mac),
  toMac: orNull(mac),
  toAddress: orNull(address),
  toName: orNull(z.string().min(1).max(256)),
});

const PlaceSchema = z.object({
  where: z.enum(['nowhere', 'port', 'asker', 'peer']),
  // A peer may be named by a host name.
  address: orNull(z.string().regex(/^[0-9a-zA-Z.:_-]{1,253}$/)),
  declared: z.boolean(),
  frozen: z.boolean(),
  idle: count,
});

const DropSchema = z.object({ reason: z.string().regex(/^[a-z_]{1,32}$/), frames: count, idle: count });

const AccountSchema = z.object({
  network: z.enum(['same', 'renamed', 'none']),
  vni: orNull(vni),
  mtu: orNull(z.number().int().min(0).max(65_535)),
  to: PlaceSchema,
  from: PlaceSchema,
  port: orNull(
    z.object({
      mac,
      address: orNull(address),
      state: z.enum(['up', 'down', 'waiting', 'failed']),
      drop: orNull(DropSchema),
    }),
  ),
  drop: orNull(DropSchema),
});

export function encodeQuestion(question: FarQuestion): Buffer {
  return Buffer.from(JSON.stringify(question));
}

/** null when it is none. */
export function decodeQuestion(text: Buffer): FarQuestion | null {
  return QuestionSchema.safeParse(parsed(text)).data ?? null;
}

/** In at most `room` bytes: what was dropped is left out first. null when the rest does not fit either. */
export function encodeAccount(account: FarAccount, room: number): Buffer | null {
  const port = account.port === null ? null : { ...account.port, drop: null };
  for (const one of [account, { ...account, port, drop: null }]) {
    const text = Buffer.from(JSON.stringify(one));
    if (text.length <= room) return text;
  }
  return null;
}

/** null when it is none. */
export function decodeAccount(text: Buffer): FarAccount | null {
  return AccountSchema.safeParse(parsed(text)).data ?? null;
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}
