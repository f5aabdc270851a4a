// A WebSocket as far as the tests need one (Node.js has none before version 22), which can also be slow on purpose.
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';

export function open(url, headers = {}) {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const lines = { Host: `${hostname}:${port}`, Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...headers };
  socket.write(`GET ${pathname} HTTP/1.1\r\n${Object.entries(lines).map(([name, value]) => `${name}: ${value}`).join('\r\n')}\r\n\r\n`);
  const door = { list: [], pings: 0, status: 0, closed: false, pause: () => socket.pause(), resume: () => socket.resume(), end: () => socket.destroy(), silent: false };
  const frame = (opcode, body) => {
    const mask = randomBytes(4), size = body.length;
    const head = size < 126 ? [0x80 | opcode, 0x80 | size] : [0x80 | opcode, 0x80 | 126, size >> 8, size & 255];
    socket.write(Buffer.concat([Buffer.from(head), mask, body.map((byte, at) => byte ^ mask[at & 3])]));
  };
  door.send = (message) => frame(1, Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)));
  door.ping = () => frame(9, Buffer.from('?'));
  let rest = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    if (!door.status) {
      const end = rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      door.status = Number(rest.subarray(9, 12));
      rest = rest.subarray(end + 4);
    }
    for (;;) {
      if (door.status !== 101 || rest.length < 2) return;
      let [size, at] = [rest[1] & 127, 2];
      if (size === 126) { if (rest.length < 4) return; [size, at] = [rest.readUInt16BE(2), 4]; }
      else if (size === 127) { if (rest.length < 10) return; [size, at] = [Number(rest.readBigUInt64BE(2)), 10]; }
      if (rest.length < at + size) return;
      const opcode = rest[0] & 15, body = rest.subarray(at, at + size);
      rest = rest.subarray(at + size);
      if (opcode === 1) { if (door.take) door.take(JSON.parse(body)); else door.list.push(JSON.parse(body)); }
      if (opcode === 9) { door.pings += 1; if (!door.silent) frame(10, body); }
      if (opcode === 10) door.pongs = (door.pongs ?? 0) + 1;
    }
  });
  socket.on('close', () => { door.closed = true; });
  socket.on('error', () => { door.closed = true; });
  return door;
}
