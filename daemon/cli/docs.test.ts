/** docs/cli.md against the parser and the schemas of the API. */
import { readdirSync, readFileSync } from 'node:fs';
import { z } from '@hono/zod-openapi';
import { describe, expect, it } from 'vitest';
import * as schema from '../api/schema.js';
import { DiagnosisSchema } from '../doctor/check.js';
import { type FindingCode, finding } from '../reconcile/findings.js';
import { completionCommand } from './help.js';
import { commandTree, isGroup } from './tree.js';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');

/** Heading -> text of each section about a command. */
const sections = new Map(
  page
    .split(/^(?=##)/m)
    .map((text) => [/^### `weft (.+)`$/m.exec(text)?.[1] ?? '', text] as const)
    .filter(([command]) => command !== ''),
);

const commands = commandTree.flatMap((entry) =>
  isGroup(entry)
    ? entry.commands.map((command) => ({ line: `${entry.name} ${command.name}`, command }))
    : [{ line: entry.name, command: entry }],
);

/** Of the commands whose --json shape the page shows. */
const shapes: Record<string, z.ZodType> = {
  status: schema.StatusSchema,
  ps: z.array(schema.ContainerSchema),
  drops: z.array(schema.DropSchema),
  why: schema.WhySchema,
  events: schema.EventSchema,
  reload: schema.ReloadSchema,
  doctor: z.array(DiagnosisSchema),
  'network create': schema.NetworkSchema,
  'network inspect': schema.NetworkSchema.shape.engines,
  'port add': schema.PortSchema,
  'peer add': schema.PeerSchema,
  'pool ls': z.array(schema.PoolSchema),
  'fdb ls': z.array(schema.FdbEntrySchema),
  'fdb add': schema.FdbEntrySchema,
};

describe('docs/cli.md', () => {
  it('has a section for every command of the parser, and for no other', () => {
    expect([...sections.keys()].sort()).toEqual(
      [...commands.map(({ line }) => line), completionCommand].sort(),
    );
  });

  it.each(commands)('shows $line with an example and all its options', ({ line, command }) => {
    const text = sections.get(line) ?? '';
    expect(text).toContain(`$ weft ${line}`);
    for (const option of command.options) expect(text).toContain(`\`--${option}`);
  });

  it.each(Object.entries(shapes))('shows the shape of %s as the API has it', (line, shape) => {
    const [, json = ''] = /```json\n(.*?)```/s.exec(sections.get(line) ?? '') ?? [];
    const example: unknown = JSON.parse(json);
    // Parsing drops fields that the schema does not have.
    expect(shape.parse(example)).toEqual(example);
  });

  it('lists the types of all events', () => {
    const sources = ['reconcile', 'intent', 'mesh', 'telemetry'].flatMap((part) => {
      const folder = new URL(`../${part}/`, import.meta.url);
      const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
      return files.map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') }));
    });
    const types = sources.flatMap(({ name, text }) => [
      ...[...text.matchAll(/\bemit\(\s*'([a-z-]+)'/g)].map(([, type]) => type),
      // What the datapath tells keeps its type.
      ...(name === 'engine_events.ts'
        ? [...text.matchAll(/case '([a-z-]+)':/g)].map(([, type]) => type)
        : []),
    ]);
    const [, listed = ''] =
      /\| type \|.*\n\|---\|---\|\n((?:\|.*\n)+)/.exec(sections.get('events') ?? '') ?? [];
    const documented = [...listed.matchAll(/`([a-z-]+)`(?=[^|]*\|[^|]*\|$)/gm)].map(([, type]) => type);
    expect([...new Set(documented)].sort()).toEqual([...new Set(types)].sort());
  });

  it('shows findings with the remedies that they have', () => {
    const [, json = ''] = /```json\n(.*?)```/s.exec(sections.get('status') ?? '') ?? [];
    for (const { code, object, message, remedy, severity } of schema.StatusSchema.parse(JSON.parse(json))
      .findings)
      expect(finding(code as FindingCode, object, message)).toMatchObject({ remedy, severity });
  });

  it('shows an error as the API has it', () => {
    const [, json = ''] = /## Exit status.*?```json\n(.*?)```/s.exec(page) ?? [];
    expect(schema.ErrorSchema.parse(JSON.parse(json))).toEqual(JSON.parse(json));
  });
});
