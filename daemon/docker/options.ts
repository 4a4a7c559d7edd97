/** What users write behind -o, --ipam-opt and --driver-opt, checked. Every error says what to write instead. */
import { WeftError } from '../errors.js';
import { helloVni } from '../model/identity.js';
import { maxMtu, minMtu } from '../model/mtu.js';
import { networkNameProblem } from '../model/names.js';

export type OptionValues = Readonly<Record<string, string>>;

export interface NetworkOptions {
  /** null: named after the subnet. */
  network: string | null;
  vni: number | null;
  mtu: number | null;
  foreignIpam: boolean;
  /** Names of those that mean something to other drivers only. */
  ignored: string[];
}

const networkName = 'weft.network';
const vni = 'weft.vni';
const mtu = 'com.docker.network.driver.mtu';
const foreignIpam = 'weft.allow-foreign-ipam';
const ofNetwork: readonly string[] = [networkName, vni, mtu, foreignIpam];

/** Names that look as if they were meant for weft, and what is right instead. */
const misspelled: ReadonlyMap<string, string> = new Map([
  ['mtu', mtu],
  ['vni', vni],
  ['com.docker.network.driver.overlay.vxlanid_list', vni],
  ['network', networkName],
]);

const onNetwork = 'docker network create -d weft -o';

/** Throws WEFT_DOCKER_OPTION. */
export function readNetworkOptions(values: OptionValues): NetworkOptions {
  const given = Object.keys(values);
  for (const option of given) {
    if (!ofNetwork.includes(option))
      refuseMisplaced(option, `The options of a network are ${list(ofNetwork)}.`);
    const right = misspelled.get(option);
    if (right !== undefined)
      throw refusal(option, 'weft has no option of this name', `Write "-o ${right}=${values[option]}".`);
  }
  return {
    network: readNetwork(values, '-o'),
    vni: readWhole(values, vni, 1, helloVni - 1),
    mtu: readWhole(values, mtu, minMtu, maxMtu),
    foreignIpam: readBoolean(values, foreignIpam),
    ignored: given.filter((option) => !ofNetwork.includes(option)),
  };
}

/** The network that --ipam-opt names; null when it names none. Throws WEFT_DOCKER_OPTION. */
export function readIpamOptions(values: OptionValues): string | null {
  for (const option of Object.keys(values)) {
    if (option === networkName) continue;
    const right = misspelled.get(option) ?? option;
    if (right === networkName)
      throw refusal(option, 'weft has no option of this name', `Write "--ipam-opt ${networkName}=NAME".`);
    if (ofNetwork.includes(right))
      throw refusal(
        option,
        'is no option of IPAM',
        `Write "-o ${right}=${values[option]}" instead of --ipam-opt.`,
      );
    refuseMisplaced(option, `The only option of IPAM is "--ipam-opt ${networkName}=NAME".`);
  }
  return readNetwork(values, '--ipam-opt');
}

/** One endpoint has no options of its own yet. Throws WEFT_DOCKER_OPTION for those of a network, and for misspelled ones. */
export function checkEndpointOptions(options: readonly string[]): void {
  for (const option of options) {
    const right = misspelled.get(option) ?? option;
    if (ofNetwork.includes(right)) {
      const advice = `Give it when the network is made: "${onNetwork} ${right}=...".`;
      throw refusal(option, 'is an option of the network, not of one container', advice);
    }
    refuseMisplaced(option, 'Leave it away: a container has no options of weft.');
  }
}

/** Refuses what weft does not have, and leaves the options of others alone. */
function refuseMisplaced(option: string, known: string): void {
  if (/^weft\.(gateway|egress|nat|masquerade|publish)/.test(option))
    throw refusal(
      option,
      'weft has no gateway of its own yet',
      'Leave it away: the gateway service of Docker (docker_gwbridge) gives egress and published ports (-p).',
    );
  if (option === 'encrypted' || option === 'weft.encrypted')
    throw refusal(
      option,
      'weft does not encrypt yet',
      'Leave it away, and encrypt the underlay where that is needed.',
    );
  if (option.startsWith('weft.')) throw refusal(option, 'weft has no option of this name', known);
}

function readNetwork(values: OptionValues, flag: string): string | null {
  const name = values[networkName];
  if (name === undefined) return null;
  const reason = networkNameProblem(name);
  if (reason === null) return name;
  throw refusal(networkName, reason, `Write such as "${flag} ${networkName}=blue".`);
}

function readWhole(values: OptionValues, option: string, min: number, max: number): number | null {
  const text = values[option];
  if (text === undefined) return null;
  const number = /^[0-9]{1,8}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  const advice = `Write such as "-o ${option}=${option === mtu ? 1400 : 5000}".`;
  throw refusal(option, `expected a whole number ${min}-${max}`, advice);
}

function readBoolean(values: OptionValues, option: string): boolean {
  const text = values[option] ?? 'false';
  if (['true', '1'].includes(text)) return true;
  if (['false', '0'].includes(text)) return false;
  throw refusal(option, 'expected true or false', `Write "-o ${option}=true", or leave it away.`);
}

function refusal(option: string, reason: string, advice: string): WeftError {
  return new WeftError('WEFT_DOCKER_OPTION', { option, reason, advice });
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}
