/** What each group of figures is about, for headings. */
const titles: Record<string, string> = {
  tcp: 'TCP',
  udp: 'UDP',
  pps: 'Frames a second',
  latency: 'Latency',
  local: 'Two ports of one host',
};

export function groupTitle(group: string): string {
  return titles[group] ?? group;
}
