/** IP bytes of a packet on the underlay of every bed. */
export const underlayMtu = 1500;

/** What VXLAN over IPv4 leaves of it: 14 bytes are of Ethernet, 20 of IPv4, 8 of UDP and 8 of VXLAN. */
export const vxlanMtu = underlayMtu - 50;

/** Where a guest is on the segment of a bed; the same in every system. */
export interface GuestPlace {
  readonly ipv4: string;
  readonly ipv6: string;
  /** Both, as `ip address add` takes them. */
  readonly prefixes: readonly string[];
}

function place(number: number): GuestPlace {
  const ipv4 = `10.42.0.${number}`;
  const ipv6 = `fd42::${number}`;
  return { ipv4, ipv6, prefixes: [`${ipv4}/24`, `${ipv6}/64`] };
}

export const plan = {
  client: place(1),
  server: place(2),
  neighbour: place(3),
  serverNeighbour: place(4),
} as const;
