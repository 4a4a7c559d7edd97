/** Stores what was asked for and has it carried out, or leaves everything as it was. */
import { WeftError } from '../errors.js';
import type { Step } from '../reconcile/plan.js';
import type { Transaction } from '../state/store.js';
import type { IntentParts } from './parts.js';

export interface Commitment {
  store(tx: Transaction): void;
  /** Takes back what `store` did. */
  takeBack(tx: Transaction): void;
  /** The steps without which what was asked for is not there. */
  needs(step: Step): boolean;
}

/** Throws why it could not be carried out; nothing of it is left then. A daemon that stops carries out nothing (WEFT_STOPPING). */
export async function commit(
  { store, reconciler }: Pick<IntentParts, 'store' | 'reconciler'>,
  commitment: Commitment,
): Promise<void> {
  refuseWhenStopping(reconciler);
  await store.transaction((tx) => commitment.store(tx));
  try {
    await reconciler.settle();
    const failure = reconciler.failureOf((step) => commitment.needs(step));
    if (failure !== null) throw failure;
  } catch (error) {
    await store.transaction((tx) => commitment.takeBack(tx));
    // What this does not get done is left to the next round.
    await reconciler.settle().catch(() => undefined);
    throw error;
  }
}

/** A removal is true once it is stored: what cannot be carried out now is carried out in a later round, or by the next daemon. */
export async function commitRemoval(
  { store, reconciler }: Pick<IntentParts, 'store' | 'reconciler'>,
  remove: (tx: Transaction) => void,
): Promise<void> {
  refuseWhenStopping(reconciler);
  await store.transaction(remove);
  await reconciler.settle();
}

export function refuseWhenStopping({ stopping }: IntentParts['reconciler']): void {
  if (stopping) throw new WeftError('WEFT_STOPPING');
}
