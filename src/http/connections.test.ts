import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Connections } from './connections.ts';

function socketFrom(remoteAddress: string): Socket & { readonly gone: boolean } {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress,
    gone: false,
    destroy() {
      socket.gone = true;
      socket.emit('close');
    },
  });
  return socket as unknown as Socket & { readonly gone: boolean };
}

const answering = { writableFinished: false, destroyed: false } as ServerResponse;
const answered = { writableFinished: true, destroyed: false } as ServerResponse;

describe('Connections', () => {
  it('closes the oldest silent connection of an address that has too many', () => {
    const connections = new Connections({ total: 100, perAddress: 3 });
    const [busy, silent, newer] = [1, 2, 3].map(() => socketFrom('192.0.2.1')) as unknown as [
      Socket,
      Socket,
      Socket,
    ];
    for (const socket of [busy, silent, newer]) expect(connections.open(socket)).toBe(true);
    connections.begin(busy, answering);
    expect(connections.open(socketFrom('192.0.2.2'))).toBe(true);
    expect(connections.open(socketFrom('192.0.2.1'))).toBe(true);
    expect([busy, silent, newer].map((socket) => (socket as { gone?: boolean }).gone)).toEqual([
      false,
      true,
      false,
    ]);
    expect(connections.size).toBe(4);
  });

  it('has no room when every connection is being answered on', () => {
    const connections = new Connections({ total: 2, perAddress: 2 });
    const sockets = [socketFrom('192.0.2.1'), socketFrom('192.0.2.2')];
    for (const socket of sockets) {
      connections.open(socket);
      connections.begin(socket, answering);
    }
    const third = socketFrom('192.0.2.3');
    expect(connections.open(third)).toBe(false);
    const [first] = sockets;
    if (first !== undefined) connections.begin(first, answered);
    expect(connections.open(third)).toBe(true);
    expect(first?.gone).toBe(true);
  });

  it('binds peers on this machine by the total alone: a proxy stands for many', () => {
    const connections = new Connections({ total: 10, perAddress: 2 });
    const local = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].flatMap((address) =>
      [1, 2, 3].map(() => socketFrom(address)),
    );
    for (const socket of local) expect(connections.open(socket)).toBe(true);
    expect(local.some(({ gone }) => gone)).toBe(false);
  });

  it('forgets what has closed', () => {
    const connections = new Connections({ total: 10, perAddress: 2 });
    const socket = socketFrom('192.0.2.1');
    connections.open(socket);
    connections.begin(socket, answering);
    expect(connections.answerOn(socket)).toBe(answering);
    socket.emit('close');
    expect(connections.answerOn(socket)).toBeUndefined();
    expect(connections.size).toBe(0);
  });
});
