/**
 * What goes into a bundle for a bug report. Everything is named: of an object of the API its fields, of the configuration its keys.
 * What is new stays out until somebody has thought about it.
 */

import type { Status } from '../api/schema.js';
import { toFailure } from '../cli/failure.js';
import type { BundledFile } from './bundle.js';
import { ofConfig } from './config_sources.js';
import { ofDaemon } from './daemon_sources.js';
import { discreet } from './discreet.js';
import { ofHost } from './host_sources.js';
import { mostBytes, type ReportParts, type Source } from './source.js';

export async function collectReport(parts: ReportParts): Promise<{ name: string; files: BundledFile[] }> {
  const { api, stamp } = parts;
  const status = await api.get<Status>('/v1/status').catch(() => null);
  const host = (status?.host.name ?? 'host').replace(/[^\w.-]/g, '_');
  const sources = [...ofDaemon(parts), ...ofConfig(parts, status), ...ofHost(parts, status)];
  // At once, so that a weftd that hangs is waited for once.
  const collected = await Promise.all(
    sources.map(async ({ path, what, read }) => ({
      path,
      what,
      content: shortened(await contentOr(path, read)),
    })),
  );
  const files = collected.map(({ path, content }) => ({ path, content }));
  return {
    name: `weft-report-${host}-${stamp}`,
    files: [{ path: 'README.txt', content: readme(parts, collected) }, ...files],
  };
}

async function contentOr(path: string, read: Source['read']): Promise<string> {
  try {
    const content = await read();
    return path.endsWith('.txt') ? discreet(content) : content;
  } catch (thrown) {
    return `not to be had: ${discreet(toFailure(thrown).body.message)}\n`;
  }
}

function shortened(content: string): string {
  const bytes = Buffer.from(content, 'utf8');
  if (bytes.length <= mostBytes) return content;
  const half = mostBytes / 2;
  const left = bytes.length - mostBytes;
  return `${bytes.subarray(0, half).toString('utf8')}\n[... ${left} bytes left out ...]\n${bytes.subarray(-half).toString('utf8')}`;
}

function readme({ now, machine }: ReportParts, files: readonly (BundledFile & { what: string })[]): string {
  const width = Math.max(...files.map(({ path }) => path.length));
  return `A report of weft for whoever looks into a problem, written ${now.toISOString()}${machine.uid === 0 ? '' : ' by a user who may not see everything'}.

It has names and addresses of this host, its peers, networks, ports and containers, and MACs.
It has no environment, labels, images or command lines of containers, no frames or payload, no firewall rules, and of the configuration
only values of keys that are known to hold no secret. Please read it before you send it.

${files.map(({ path, what }) => `${path.padEnd(width)}  ${what}\n`).join('')}`;
}
