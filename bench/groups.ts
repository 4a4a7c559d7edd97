/** What each group of figures is about, for headings. */
const titles: Record<string, string> = {
  tcp: 'TCP',
  'tcp-matrix': 'TCP, other numbers of streams and directions',
  local: 'Between two ports of one host',
  udp: 'UDP',
  pps: 'Frames a second, to a socket',
  cpu: 'CPU time of a frame',
  port: 'Frames a second, to the port',
  sizes: 'Frames a second, other sizes',
  many: 'Many guests',
  latency: 'Latency',
  daemon: 'The daemon',
  memory: 'Memory',
  scale: 'Scale',
  addresses: 'Learning addresses',
  micro: 'Parts of the data plane',
};

export function groupTitle(group: string): string {
  return titles[group] ?? group;
}
