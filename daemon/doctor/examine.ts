/** Runs the checks one after the other. A check that fails is skipped with the reason, so that the others are still done. */
import { asRoot, type Check, type Diagnosis, skipped, type Verdict } from './check.js';
import type { Facts } from './facts.js';

/** `seconds` is the time for all; what does not begin within it is skipped. `told` gets each as soon as it is known. */
export async function examine(
  checks: readonly Check[],
  facts: Facts,
  seconds: number,
  told: (diagnoses: Diagnosis[]) => void = () => undefined,
): Promise<Diagnosis[]> {
  const deadline = performance.now() + seconds * 1000;
  const all: Diagnosis[] = [];
  for (const check of checks) {
    const verdicts = await one(check, facts, deadline - performance.now(), seconds);
    const diagnoses = verdicts.map((verdict) => ({ check: check.name, ...verdict }));
    told(diagnoses);
    all.push(...diagnoses);
  }
  return all;
}

async function one(check: Check, facts: Facts, left: number, seconds: number): Promise<Verdict[]> {
  const late = skipped(`not done within ${seconds} s`, 'Give it more time: "weft doctor --timeout 300".');
  // A timer may fire a moment before its time.
  if (left <= 1) return [late];
  if (check.ofNetwork === true && facts.elsewhere)
    return [skipped('weftd is in another network namespace than this command')];
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<Verdict[]>((resolve) => {
    timer = setTimeout(() => resolve([late]), left);
  });
  try {
    return await Promise.race([Promise.resolve().then(() => check.examine(facts)), timeout]);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const denied = (code === 'EACCES' || code === 'EPERM') && facts.machine.uid !== 0;
    return [skipped(`it could not be done: ${message}`, denied ? asRoot : null)];
  } finally {
    clearTimeout(timer);
  }
}

export function isComplaint({ result }: Verdict): boolean {
  return result === 'error' || result === 'warning';
}
