/** What a check is and what it comes to. */
import { z } from 'zod';
import type { Facts } from './facts.js';

/** What was found of one thing. */
export const VerdictSchema = z.object({
  result: z.enum(['ok', 'warning', 'error', 'skipped']),
  /** A sentence without its full stop. */
  message: z.string(),
  /** What to type, as sentences; null when nothing is to be done. */
  remedy: z.string().nullable(),
  /** Lines that belong to it, such as the end of a log. */
  details: z.array(z.string()),
});
export type Verdict = z.output<typeof VerdictSchema>;

/** What `weft doctor --json` prints of it. */
export const DiagnosisSchema = VerdictSchema.extend({ check: z.string() });
export type Diagnosis = z.output<typeof DiagnosisSchema>;

export interface Check {
  name: string;
  /** For the documentation: one sentence. */
  looksAt: string;
  /** It looks at the network namespace that it runs in, so it says nothing of a weftd in another one. */
  ofNetwork?: boolean;
  /** At least one verdict. What is thrown becomes `skipped`. */
  examine(facts: Facts): Verdict[] | Promise<Verdict[]>;
}

export function ok(message: string): Verdict {
  return { result: 'ok', message, remedy: null, details: [] };
}

export function warning(message: string, remedy: string, details: string[] = []): Verdict {
  return { result: 'warning', message, remedy, details };
}

export function error(message: string, remedy: string, details: string[] = []): Verdict {
  return { result: 'error', message, remedy, details };
}

/** `remedy`: what to type so that it can be examined. */
export function skipped(message: string, remedy: string | null = null): Verdict {
  return { result: 'skipped', message, remedy, details: [] };
}

export const asRoot = 'Run it as root: "sudo weft doctor".';

/** The complaints, or else that there is none. */
export function complaintsOr(complaints: readonly Verdict[], healthy: string): Verdict[] {
  return complaints.length === 0 ? [ok(healthy)] : [...complaints];
}

/** Complaints of one check that are printed one by one; what is wrong with a thousand peers is mostly one thing. */
const mostVerdicts = 20;

export function bounded(verdicts: readonly Verdict[]): Verdict[] {
  const rest = verdicts.slice(mostVerdicts);
  const [first] = rest;
  if (first === undefined) return [...verdicts];
  const more = { ...first, message: `and ${rest.length} more, such as: ${first.message}` };
  return [...verdicts.slice(0, mostVerdicts), more];
}
