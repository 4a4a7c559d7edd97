/** Only the origin of an object changes or removes it. */
import { WeftError } from '../errors.js';
import type { Owner } from '../model/objects.js';

export function checkOwner(object: string, owner: Owner, caller: Owner): void {
  if (owner.kind === caller.kind) return;
  const advice = {
    file: `Change it in ${owner.ref} and run "weft reload".`,
    api: 'Use the weft command.',
    docker: 'Use the docker command.',
    cni: 'Let the container runtime that made it remove it.',
  }[owner.kind];
  const origin = {
    file: `the configuration file ${owner.ref}`,
    api: 'the API',
    docker: 'Docker',
    cni: 'CNI',
  }[owner.kind];
  throw new WeftError('WEFT_NOT_OWNER', { object, origin, advice });
}
