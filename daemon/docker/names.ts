/** What Docker's API tells about the endpoints of this host. It enriches what weft prints; nothing depends on it. */

export interface ContainerFacts {
  id: string;
  name: string;
  image: string;
  labels: Readonly<Record<string, string>>;
  /** On the network of the endpoint. */
  aliases: readonly string[];
}

/** What is wrong at Docker's side, or will be. */
export interface NameProblem {
  kind: 'other-plugin' | 'spec-file' | 'engine-too-old';
  /** What it is about, such as `plugin weft:latest`. */
  subject: string;
  /** A sentence without its full stop. */
  message: string;
}

/** What an engine has at this moment. */
export interface Inventory {
  /** ID of the engine. */
  engine: string;
  /** IDs of all its networks. */
  networks: ReadonlySet<string>;
}

/** What {@link Names.trouble} says until Docker was asked once: no finding. */
export const notAskedYet = 'it is being asked for the first time';

export interface Names {
  /** Docker is not asked, by `docker.api: off`. */
  readonly isOff: boolean;
  containerOf(endpoint: string): ContainerFacts | undefined;
  networkName(engineNetwork: string): string | null;
  /** null while Docker cannot be asked. */
  engineVersion(): string | null;
  /** Why Docker cannot be asked; null when it can. */
  trouble(): string | null;
  problems(): readonly NameProblem[];
  /** null while Docker cannot be asked. */
  inventory(): Inventory | null;
}

/** `docker.api: off`. */
export const noNames: Names = {
  isOff: true,
  containerOf: () => undefined,
  networkName: () => null,
  engineVersion: () => null,
  trouble: () => 'off by docker.api',
  problems: () => [],
  inventory: () => null,
};
