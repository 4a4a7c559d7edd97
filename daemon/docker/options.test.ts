import { describe, expect, it } from 'vitest';
import { WeftError } from '../errors.js';
import { checkEndpointOptions, readIpamOptions, readNetworkOptions } from './options.js';

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof WeftError) return `${error.message}. ${error.remedy}`;
    throw error;
  }
  return 'accepted';
}

describe('options of a network', () => {
  it('are all optional', () => {
    const none = { network: null, vni: null, mtu: null, foreignIpam: false, ignored: [] };
    expect(readNetworkOptions({})).toEqual(none);
  });

  it('are read, and those of other drivers are told', () => {
    const options = readNetworkOptions({
      'weft.network': 'blue',
      'weft.vni': '16777214',
      'com.docker.network.driver.mtu': '9000',
      'weft.allow-foreign-ipam': '1',
      'com.docker.network.bridge.name': 'br9',
    });
    expect(options).toEqual({
      network: 'blue',
      vni: 16777214,
      mtu: 9000,
      foreignIpam: true,
      ignored: ['com.docker.network.bridge.name'],
    });
    expect(
      readNetworkOptions({ 'weft.network': '10.32.0.0/16', 'weft.allow-foreign-ipam': '0' }),
    ).toMatchObject({
      network: '10.32.0.0/16',
      foreignIpam: false,
    });
  });

  it.each([
    ['weft.vni', '0', 'expected a whole number 1-16777214'],
    ['weft.vni', '16777215', 'expected a whole number 1-16777214'],
    ['weft.vni', '0x10', 'expected a whole number'],
    ['weft.vni', '', 'expected a whole number'],
    ['weft.vni', '1e3', 'Write such as "-o weft.vni=5000"'],
    ['com.docker.network.driver.mtu', '575', 'expected a whole number 576-9000'],
    ['com.docker.network.driver.mtu', 'auto', 'Write such as "-o com.docker.network.driver.mtu=1400"'],
    ['weft.network', 'Blue', 'Write such as "-o weft.network=blue"'],
    ['weft.allow-foreign-ipam', 'yes', 'expected true or false'],
    [
      'weft.gateway',
      '10.0.0.1',
      'weft has no gateway of its own yet. Leave it away: the gateway service of Docker',
    ],
    ['weft.gateway.mode', 'nat', 'docker_gwbridge'],
    ['weft.nat', 'true', 'docker_gwbridge'],
    ['weft.encrypted', '', 'weft does not encrypt yet'],
    ['encrypted', '', 'weft does not encrypt yet'],
    ['weft.subnet', '1', 'The options of a network are "weft.network", "weft.vni"'],
    ['mtu', '1400', 'Write "-o com.docker.network.driver.mtu=1400"'],
    ['vni', '7', 'Write "-o weft.vni=7"'],
    ['com.docker.network.driver.overlay.vxlanid_list', '4097', 'Write "-o weft.vni=4097"'],
    ['network', 'blue', 'Write "-o weft.network=blue"'],
  ])('refuses %s=%s and says what to write', (option, value, text) => {
    const told = refusal(() => readNetworkOptions({ [option]: value }));
    expect(told).toContain(`option ${option}: `);
    expect(told).toContain(text);
  });
});

describe('options of IPAM', () => {
  it('name a network, or none', () => {
    expect(readIpamOptions({})).toBeNull();
    expect(readIpamOptions({ 'weft.network': 'blue', other: 'x' })).toBe('blue');
  });

  it.each([
    ['weft.network', 'no name', 'Write such as "--ipam-opt weft.network=blue"'],
    ['network', 'blue', 'Write "--ipam-opt weft.network=NAME"'],
    ['weft.vni', '7', 'Write "-o weft.vni=7" instead of --ipam-opt'],
    ['mtu', '1400', 'Write "-o com.docker.network.driver.mtu=1400" instead'],
    ['weft.share', '1', 'The only option of IPAM is "--ipam-opt weft.network=NAME"'],
  ])('refuses %s=%s', (option, value, text) => {
    expect(refusal(() => readIpamOptions({ [option]: value }))).toContain(text);
  });
});

describe('options of one container', () => {
  it('lets those of Docker pass', () => {
    const given = ['com.docker.network.endpoint.exposedports', 'com.docker.network.portmap', 'dk'];
    expect(() => checkEndpointOptions(given)).not.toThrow();
  });

  it.each([
    ['weft.vni', 'docker network create -d weft -o weft.vni=...'],
    ['mtu', 'docker network create -d weft -o com.docker.network.driver.mtu=...'],
    ['weft.gateway', 'docker_gwbridge'],
    ['weft.x', 'a container has no options of weft'],
  ])('refuses %s', (option, text) => {
    expect(refusal(() => checkEndpointOptions([option]))).toContain(text);
  });
});
