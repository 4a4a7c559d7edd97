/** Reads a recorded conversation, and makes of it what an engine that has chosen weft would say. */
import { readdirSync, readFileSync } from 'node:fs';

export type Line =
  | { command: string }
  | { note: string }
  | { event: string }
  | { request: string; body: Json; answer: Json };

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

const directory = new URL('./transcripts/', import.meta.url);

export function scenarios(): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .map((name) => name.slice(0, -'.jsonl'.length));
}

export function readTranscript(scenario: string): Line[] {
  const lines = readFileSync(new URL(`${scenario}.jsonl`, directory), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line): Line => JSON.parse(line));
}

/** The plugin that was recorded refused it, so that the engine forgot the object at once. */
export function wasRefused(answer: Json): boolean {
  return isObject(answer) && 'Err' in answer;
}

/**
 * Says what the recorded engine would have said to weft: pools and addresses that weft gave take the place of those that the recorded
 * plugin gave, and networks with Docker's own IPAM get the option that weft wants of them.
 */
export class Translation {
  private readonly given = new Map<string, string>([['fakelocal', 'weft-local']]);

  body(request: string, recorded: Json): Json {
    const body = this.replace(recorded);
    return request === 'NetworkDriver.CreateNetwork' && isObject(body) ? allowed(body) : body;
  }

  /** Notes how weft's answer differs from the recorded one. */
  learn(request: string, recorded: Json, answer: Json): void {
    if (!isObject(recorded) || !isObject(answer)) return;
    const keys = { 'IpamDriver.RequestPool': ['PoolID', 'Pool'], 'IpamDriver.RequestAddress': ['Address'] }[
      request
    ];
    for (const key of keys ?? []) {
      const [from, to] = [String(recorded[key]), String(answer[key])];
      this.given.set(from, to);
      if (key === 'Address') this.given.set(bare(from), bare(to));
    }
  }

  private replace(value: Json): Json {
    if (typeof value === 'string') return this.given.get(value) ?? value;
    if (Array.isArray(value)) return value.map((one) => this.replace(one));
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.replace(one)]));
  }
}

function allowed(body: JsonObject): Json {
  const data = [body.IPv4Data, body.IPv6Data]
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .filter(isObject);
  if (data.every(({ AddressSpace }) => AddressSpace === 'weft-local')) return body;
  const options = isObject(body.Options) ? body.Options : {};
  const generic = options['com.docker.network.generic'];
  const added: JsonObject = { 'weft.allow-foreign-ipam': 'true' };
  if (data.some(({ Pool }) => Pool === '0.0.0.0/0')) added['weft.network'] = 'without-subnet';
  return {
    ...body,
    Options: {
      ...options,
      'com.docker.network.generic': { ...(isObject(generic) ? generic : {}), ...added },
    },
  };
}

function bare(cidr: string): string {
  return cidr.replace(/\/\d+$/, '');
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
