/** weft.yaml(5), out of the schema that weftd checks the file with, and the commented example. */
import { z } from 'zod';
import { ConfigSchema, peerObject } from '../../daemon/config/schema.js';
import {
  bold,
  entry,
  italic,
  manualPage,
  paragraph,
  plain,
  prose,
  section,
  seeAlso,
  verbatim,
} from './roff.js';

/** What is read of a JSON Schema; zod's own type has every keyword of it. */
interface Schema {
  description?: string;
  default?: unknown;
  type?: string | string[];
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  items?: Schema;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
}

export function configurationPage(notice: string, version: string, example: string): string {
  const root = jsonSchema(ConfigSchema);
  const sections = Object.entries(root.properties ?? {});
  const page = { name: 'weft.yaml', section: 5, purpose: 'configuration of weftd' } as const;
  return manualPage(page, notice, version, [
    section('SYNOPSIS', `${italic('/etc/weft/weft.yaml')}\n`),
    section(
      'DESCRIPTION',
      `${prose('The file is one YAML document. Every key is optional, and so is the file.')}\n` +
        paragraph(
          `${bold('weft config check')} ${italic('FILE')} names every mistake in a file with its place; with ${bold('--print')} it shows ` +
            `every value in force and where it comes from.\n${bold('weft reload')} or ${bold('systemctl reload weftd')} applies changes.`,
        ) +
        paragraph(prose('A duration is a number with its unit, such as 300s, 5m or 1h.')),
    ),
    section('KEYS', sections.map(([name, schema]) => keyEntries([name], schema)).join('')),
    section('EXAMPLE', `Every key:\n${verbatim(example)}`),
    section(
      'FILES',
      entry(
        italic('/etc/weft/weft.yaml'),
        'Where weftd looks unless \\fB\\-\\-config\\fR names another file.',
      ),
    ),
    seeAlso([
      { name: 'weft', section: 1 },
      { name: 'weft-config', section: 1 },
      { name: 'weftd', section: 8 },
    ]),
  ]);
}

/** The key itself where it says something, then those below it. */
function keyEntries(path: readonly string[], schema: Schema): string {
  const below = childrenOf(path, schema);
  const values = below.length > 0 && schema.type === 'object' ? '' : valuesOf(schema);
  const text = [
    schema.description === undefined ? '' : prose(schema.description),
    values === '' ? '' : `Values: ${plain(values)}.`,
    defaultOf(schema),
  ].filter(Boolean);
  const own = text.length === 0 ? '' : entry(bold(path.join('.')), text.join('\n'));
  return own + below.map(([child, one]) => keyEntries(child, one)).join('');
}

function childrenOf(path: readonly string[], schema: Schema): [string[], Schema][] {
  if (path.join('.') === 'peers')
    return Object.entries(jsonSchema(peerObject).properties ?? {}).map(([name, one]) => [
      ['peers[]', name],
      one,
    ]);
  const named: [string[], Schema][] = Object.entries(schema.properties ?? {}).map(([name, one]) => [
    [...path, name],
    one,
  ]);
  const { additionalProperties: any } = schema;
  if (typeof any === 'object') named.push(...childrenOf([...path, 'NAME'], any));
  const branches = (schema.anyOf ?? []).flatMap((branch) =>
    branch.type === 'object' ? childrenOf(path, branch) : [],
  );
  return [...named, ...branches];
}

/** What may stand there: `auto or off`, `1 to 65535`. */
function valuesOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(valuesOf).filter(Boolean).join(' or ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum !== undefined) return schema.enum.join(' or ');
  if (schema.minimum !== undefined && schema.maximum !== undefined)
    return `${schema.minimum} to ${schema.maximum}`;
  return '';
}

function defaultOf({ default: value, description }: Schema): string {
  const told = description?.includes('efault:') ?? false;
  if (told || value === undefined || value === null || typeof value === 'object') return '';
  return `Default: ${bold(String(value))}.`;
}

function jsonSchema(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as unknown as Schema;
}
