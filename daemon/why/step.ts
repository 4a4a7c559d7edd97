/** What a walk finds: one sentence for each place that a frame passes. */
import type { DropFacts, End, FarDrop, TrafficFacts } from './snapshot.js';

export type StepState = 'ok' | 'trouble' | 'unknown';

export type Facts = Record<string, string | number | boolean | null>;

export interface Step {
  /** The place: `port`, `network`, `guard`, … */
  what: string;
  /** Address of the peer that said so; null for this host. */
  host: string | null;
  state: StepState;
  sentence: string;
  remedy: string | null;
  facts: Facts;
}

export interface Way {
  state: StepState;
  steps: Step[];
  /** The one sentence in which it ends. */
  conclusion: string;
  remedy: string | null;
}

interface More {
  host?: string | null;
  facts?: Facts;
}

export function ok(what: string, sentence: string, { host = null, facts = {} }: More = {}): Step {
  return { what, host, state: 'ok', sentence, remedy: null, facts };
}

export function unknown(what: string, sentence: string, remedy: string | null, more: More = {}): Step {
  return { ...ok(what, sentence, more), state: 'unknown', remedy };
}

export function trouble(what: string, sentence: string, remedy: string, more: More = {}): Step {
  return { ...ok(what, sentence, more), state: 'trouble', remedy };
}

/** At most three of them, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return `${names.slice(0, 3).join(', ')}${more}`;
}

/** An end by the name that says the most. */
export function labelOf({ given, port, address }: End): string {
  const name = port?.label ?? given;
  return address === null || address === name ? name : `${name} (${address})`;
}

export function ago(seconds: number): string {
  return seconds === 0 ? 'just now' : `${seconds} s ago`;
}

export function trafficFacts(counters: TrafficFacts | null): Facts {
  return counters === null ? {} : { ...counters };
}

/** The latest drops, at most three: `lastDrop` for a program, the sentence for a person. */
export function dropFacts(drops: readonly (DropFacts | FarDrop)[]): Facts {
  const [last] = drops;
  if (last === undefined) return {};
  return {
    drops: drops.map(({ reason, frames }) => `${reason} ${frames}`).join(', '),
    lastDrop: last.reason,
    lastDropAgo: last.idle,
  };
}

/** Seconds after which a drop says nothing of a way on which nothing is wrong. */
const recently = 60;

export function recent<T extends DropFacts | FarDrop>(drops: readonly T[]): T[] {
  return drops.filter(({ idle }) => idle < recently);
}

export function dropSentence(drops: readonly (DropFacts | FarDrop)[]): string {
  if (drops.length === 0) return '';
  const shown = drops.slice(0, 3).map(({ reason, frames, idle }) => `${frames} ${reason}, last ${ago(idle)}`);
  return `; dropped: ${shown.join('; ')}`;
}
