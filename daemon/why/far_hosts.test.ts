import { describe, expect, it } from 'vitest';
import type { Question } from '../mesh/queries.js';
import { FarHosts, replyRoom } from './far_hosts.js';
import { decodeQuestion, encodeAccount } from './far_wire.js';
import { account } from './snapshots.js';

const question = {
  network: 'blue',
  vni: 42,
  fromMac: null,
  toMac: null,
  toAddress: '10.42.0.3',
  toName: null,
};

describe('far hosts', () => {
  it('are asked, some at a time, and heard where they reply with an account', async () => {
    let under = 0;
    let most = 0;
    const asked: [string, Question][] = [];
    const hosts = new FarHosts({
      ask: async (peer, query) => {
        asked.push([peer, query]);
        most = Math.max(most, ++under);
        await new Promise((resolve) => setImmediate(resolve));
        under--;
        if (peer === 'v-1') return encodeAccount(account(), replyRoom);
        return peer === 'v-2' ? Buffer.from('{}') : null;
      },
    });
    const peers = Array.from({ length: 300 }, (_, index) => `v-${index}`);
    const accounts = await hosts.ask(peers, question);
    expect([...accounts]).toEqual([['v-1', account()]]);
    expect(asked).toHaveLength(256);
    expect(most).toBe(32);
    const [, query] = asked[0] ?? [];
    expect(query).toMatchObject({ topic: 2, room: replyRoom });
    expect(decodeQuestion(query?.text ?? Buffer.alloc(0))).toEqual(question);
    expect(peers).toHaveLength(300);
  });
});
