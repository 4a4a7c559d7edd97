import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { WeftError } from '../errors.js';
import { configValues, describeConfig } from './describe.js';
import { loadConfig, parseConfig } from './load.js';
import { ConfigSchema } from './schema.js';

function mistakesIn(source: string): string[] {
  try {
    parseConfig(source, 'f.yaml');
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(WeftError);
    const lines = (error as WeftError).message.split('\n');
    return lines.length === 1 ? lines : lines.slice(1).map((line) => line.trim());
  }
}

describe('the configuration file', () => {
  it('may be empty, or absent when it is the default one', () => {
    const empty = parseConfig('', 'f.yaml').config;
    expect(empty).toMatchObject({
      underlay: { port: 4789, source_ports: 4, accept: 'peers' },
      peers: [],
      networks: {},
      fdb: { age: 300, moves: { freeze: 60 } },
    });
    expect(loadConfig('/nonexistent/weft.yaml', true).config).toEqual(empty);
    expect(() => loadConfig('/nonexistent/weft.yaml', false)).toThrow(
      'cannot read /nonexistent/weft.yaml: no such file',
    );
  });

  it('reads every form of a peer', () => {
    const source =
      'peers: [10.0.0.1, "10.0.0.2:8472", {address: Host.example, checksum: zero, offload: off}]';
    expect(parseConfig(source, 'f.yaml').config.peers).toEqual([
      { address: '10.0.0.1', port: null, checksum: 'full', offload: 'auto' },
      { address: '10.0.0.2', port: 8472, checksum: 'full', offload: 'auto' },
      { address: 'host.example', port: null, checksum: 'zero', offload: 'off' },
    ]);
  });

  it('reads the share of the host, and that of a network', () => {
    const source =
      'ipam: { share: { of: 16, index: 3 } }\nnetworks: { blue: { ipam: { share: { of: 4, index: 0 } } }, red: { ipam: { share: null } } }';
    const { config } = parseConfig(source, 'f.yaml');
    expect([config.ipam.share, config.networks.blue?.ipam?.share, config.networks.red?.ipam?.share]).toEqual([
      { of: 16, index: 3 },
      { of: 4, index: 0 },
      null,
    ]);
    expect(parseConfig('', 'f.yaml').config.ipam.share).toBeNull();
  });

  it('reads where Docker is, each half by itself', () => {
    const docker = (source: string) => parseConfig(source, 'f.yaml').config.docker;
    const usual = { plugin: '/run/docker/plugins/weft.sock', api: '/var/run/docker.sock' };
    expect(docker('')).toEqual(usual);
    expect(docker('docker: {}')).toEqual(usual);
    expect(docker('docker: { api: off }')).toEqual({ ...usual, api: 'off' });
    expect(docker('docker: { plugin: "off", api: /srv/docker.sock }')).toEqual({
      plugin: 'off',
      api: '/srv/docker.sock',
    });
  });

  it('reports all mistakes at once, each with line, column, key and what was expected', () => {
    const source = `underlay: { adresses: [], port: 0 }
peers:
  - 10.0.0.300
  - { port: 3 }
networks:
  Blue: {}
  a: { vni: 5, subnets: [10.0.0.1/24], fdb: { age: 300 } }
  b: { vni: 5 }
workers: 4
`;
    expect(mistakesIn(source)).toEqual([
      'f.yaml:1:27: underlay.port: expected a UDP port, a whole number 1-65535; got 0',
      'f.yaml:1:13: underlay.adresses: there is no such key; did you mean "addresses"?',
      'f.yaml:3:5: peers[0]: expected address[:port], such as 10.0.0.2, "[fd00::2]:8472" or host3.example:4789; got "10.0.0.300"',
      'f.yaml:4:5: peers[1].address: expected an address or a host name; the key is missing',
      'f.yaml:6:3: networks.Blue: a name has 1-63 of a-z, 0-9, "_", "." and "-", and starts with a letter or a digit',
      'f.yaml:7:26: networks.a.subnets[0]: has host bits set; write 10.0.0.0/24',
      'f.yaml:7:47: networks.a.fdb.age: a duration needs its unit; write 300s',
      'f.yaml:9:1: workers: expected auto or 1: this version of weft has one worker; got 4',
      'f.yaml:8:8: networks.b.vni: VNI 5 belongs to network "a" already; every network needs its own',
    ]);
  });

  it.each([
    ['peers: [10.0.0.2, "10.0.0.2:8472"]', 'f.yaml:1:19: peers[1]: 10.0.0.2 is peers[0] already'],
    [
      'underlay: { addresses: [10.0.0.1, 10.0.0.2] }',
      'underlay.addresses: expected one address of each family at most',
    ],
    [
      'networks: { a: { vni: 16777215 } }',
      'networks.a.vni: expected a VNI, a whole number 1-16777214; got 16777215',
    ],
    ['ipam: { share: { of: 4, index: 4 } }', 'ipam.share.index: expected less than ipam.share.of (4)'],
    [
      'networks: { a: { ipam: { share: { of: 2, index: 2 } } } }',
      'networks.a.ipam.share.index: expected less than ipam.share.of (2)',
    ],
    ['ipam: { share: { of: 0, index: 0 } }', 'ipam.share.of: expected the number of shares'],
    ['ipam: { share: { of: 4 } }', 'ipam.share.index: expected the index of the share'],
    ['ipam: { share: 4 }', 'ipam.share: expected a share, a mapping of keys to values'],
    ['docker: { plugin: weft.sock }', 'docker.plugin: expected the absolute path of a socket'],
    ['docker: { api: tcp://127.0.0.1:2375 }', 'docker.api: expected the absolute path of a socket'],
    [`docker: { api: /${'x'.repeat(107)} }`, 'docker.api: expected the absolute path of a socket'],
    ['docker: { api: false }', 'docker.api: expected the absolute path of a socket, or off'],
    ['docker: off', 'docker: expected docker, a mapping of keys to values'],
    ['docker: { socket: /x }', 'docker.socket: there is no such key; the keys here are plugin, api'],
    ['docker: { socket: /x, ap: off }', 'docker.ap: there is no such key; did you mean "api"?'],
    ['underlay: { source_ports: .inf }', 'a whole number 1-64; got .inf'],
    ['underlay: { source_ports: -.inf }', 'a whole number 1-64; got -.inf'],
    ['underlay: { source_ports: .nan }', 'a whole number 1-64; got .nan'],
    ['fdb: { age: 5s }\n---\nfdb: {}', 'f.yaml:2:1: a second YAML document starts here'],
    ['a: 1\na: 2', 'f.yaml:2:1: the key "a" is there already'],
    ['{ a: { b c: 1, "b c" : 2 } }', 'f.yaml:1:16: the key "b c" is there already'],
    ['a: [', 'f.yaml:1:5:'],
    ['peers: ["::"]', 'f.yaml:1:9: peers[0]: is unspecified; a peer has an address of one host'],
    ['- a', 'f.yaml:1:1: the file: expected the configuration, a mapping of keys to values'],
    ['fdb: { age: 0s }', 'fdb.age: expected a duration of 1s to 168h'],
  ])('refuses %j', (source, message) => {
    expect(mistakesIn(source).join('\n')).toContain(message);
  });

  it('tells a mistake once that breaks two rules', () => {
    expect(mistakesIn('underlay: { source_ports: 99999999999999999999 }')).toHaveLength(1);
  });

  it('tells 20 mistakes at most, and 200 characters of each', () => {
    const source = Array.from({ length: 25 }, (_, index) => `${'x'.repeat(300)}${index}: 1`).join('\n');
    const mistakes = mistakesIn(source);
    expect(mistakes).toHaveLength(21);
    expect(mistakes[0]).toBe(`f.yaml:1:1: ${'x'.repeat(200)}…`);
    expect(mistakes[20]).toBe('and 5 more');
  });

  it('refuses aliases that multiply', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 9; level++)
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    expect(mistakesIn(lines.join('\n')).join()).toContain('f.yaml: Excessive alias count');
  });

  it('never answers a bad file with anything but WEFT_CONFIG', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.anything({ maxDepth: 4 }).map((value) => {
        try {
          return stringify(value) ?? '';
        } catch {
          return '';
        }
      }),
      fc
        .dictionary(fc.constantFrom(...Object.keys(ConfigSchema.shape)), fc.jsonValue())
        .map((value) => stringify(value)),
    );
    fc.assert(
      fc.property(anything, (source) => {
        try {
          parseConfig(source, 'f.yaml');
        } catch (error) {
          expect((error as WeftError).code).toBe('WEFT_CONFIG');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('reads back what it shows', () => {
    const loaded = loadConfig(new URL('../../config/weft.example.yaml', import.meta.url).pathname, false);
    const origins = new Map(configValues(loaded).map(({ path, origin, line }) => [path, [origin, line]]));
    expect(origins.get('host.name')).toEqual(['file', 7]);
    expect(origins.get('peers[1].port')?.[0]).toBe('file');
    expect(origins.get('peers[1].offload')).toEqual(['default', null]);
    expect(describeConfig(parseConfig('underlay: { port: 1 }', 'f.yaml'))).toMatch(
      /^underlay\.port: 1 +# f\.yaml:1$/m,
    );
    const defaults = describeConfig(parseConfig('', 'f.yaml'));
    for (const line of [
      'fdb.age: 300s',
      'fdb.moves.window: 180s',
      'fdb.moves.freeze: 60s',
      'fdb.moves.count: 5',
    ])
      expect(defaults).toMatch(new RegExp(`^${line} `, 'm'));
    const shown = describeConfig(parseConfig('networks: { blue: { fdb: { age: 5m } } }', 'f.yaml'));
    expect(shown).toMatch(/^networks\.blue\.fdb\.age: 300s +# f\.yaml:1$/m);
    expect(defaults).toMatch(/^underlay\.port: 4789 +# default$/m);
  });

  it('has an example that names every key', () => {
    const example = readFileSync(new URL('../../config/weft.example.yaml', import.meta.url), 'utf8');
    const schema = readFileSync(new URL('../../config/weft.schema.json', import.meta.url), 'utf8');
    const keys: string[] = [];
    JSON.parse(schema, (key, value) => {
      if (key === 'properties') keys.push(...Object.keys(value));
      return value;
    });
    expect(keys.length).toBeGreaterThan(20);
    for (const key of keys) expect(example).toMatch(new RegExp(`\\b${key}:`));
  });
});
