/** Limits of requests that the command line checks too. Apart from the schemas, whose library takes as long to load as the rest of a command. */

/** Bytes of IP of a hello: with the least, it is not padded over either family. */
export const pingSizes = { min: 166, max: 9050 } as const;

/** Of a capture: bytes of a frame that can be kept, the most of which is all, and instructions of its filter. */
export const captureLimits = { leastKept: 14, mostKept: 262_144, instructions: 512 } as const;
