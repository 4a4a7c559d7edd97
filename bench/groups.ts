/** What each group of figures is about, for headings. */
const titles: Record<string, string> = {
  tcp: 'TCP',
  local: 'Between two ports of one host',
  udp: 'UDP',
  pps: 'Frames a second, to a socket',
  port: 'Frames a second, to the port',
  many: 'Many guests',
  latency: 'Latency',
  daemon: 'The daemon',
  memory: 'Memory',
  scale: 'Scale',
  micro: 'Parts of the data plane',
};

export function groupTitle(group: string): string {
  return titles[group] ?? group;
}
