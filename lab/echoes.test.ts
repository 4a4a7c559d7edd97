import { describe, expect, it } from 'vitest';
import { Echoes } from './echoes.js';

const echo = (number: number) => `64 bytes from 10.42.0.2: icmp_seq=${number} ttl=64 time=0.041 ms\n`;

describe('the echoes of a ping', () => {
  const echoesOf = (...chunks: string[]) => {
    const echoes = new Echoes();
    for (const chunk of chunks) echoes.read(chunk);
    return echoes;
  };

  it('are all there', () => {
    expect(echoesOf('PING 10.42.0.2 (10.42.0.2) 56(84) bytes of data.\n', echo(1), echo(2)).share()).toBe(1);
  });

  it('are missed when a later one came', () => {
    expect(echoesOf(echo(1), echo(3), echo(4)).share()).toBe(0.75);
  });

  it('count once, and not at all when the host was unreachable', () => {
    const unreachable = 'From 10.42.0.1 icmp_seq=2 Destination Host Unreachable\n';
    const duplicate = echo(1).replace(' ms', ' ms (DUP!)');
    const echoes = echoesOf(echo(1), duplicate, unreachable);
    expect([echoes.newest, echoes.share()]).toEqual([1, 1]);
  });

  it('are read from whatever pieces they come in', () => {
    const text = echo(1) + echo(2);
    expect(echoesOf(text.slice(0, 70), text.slice(70)).newest).toBe(2);
  });
});
