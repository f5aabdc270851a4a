// The record door as a client of port 3000 sees it: one record is read again and again while something else is done to the node.
import net from 'node:net';

// A read of all bins: header, then the fields namespace (0) and digest (4).
function readOf(namespace, digest) {
  const field = (kind, bytes) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length + 1, kind]), bytes]);
  const fields = [field(0, Buffer.from(namespace)), field(4, Buffer.from(digest))];
  const head = Buffer.alloc(22);
  head[0] = 22;
  head[1] = 3;
  head.writeUInt16BE(fields.length, 18);
  const body = Buffer.concat([head, ...fields]), frame = Buffer.alloc(8);
  frame.writeBigUInt64BE((2n << 56n) | (3n << 48n) | BigInt(body.length));
  return Buffer.concat([frame, body]);
}

export class RecordDoor {
  constructor(address, namespace, digest) {
    this.request = readOf(namespace, digest);
    this.times = [];
    this.wrong = 0;
    this.socket = net.connect(3000, address);
    this.socket.setNoDelay(true);
    this.socket.on('error', () => { this.wrong += 1; });
    this.running = this.run();
  }

  async run() {
    while (!this.ended) {
      const began = performance.now();
      const code = await new Promise((resolve) => {
        let answer = Buffer.alloc(0);
        const take = (bytes) => {
          answer = Buffer.concat([answer, bytes]);
          if (answer.length < 8 || answer.length < 8 + answer.readUIntBE(2, 6)) return;
          done(answer[8 + 5]);
        };
        const late = setTimeout(() => done('late'), 5000);
        const done = (value) => { clearTimeout(late); this.socket.off('data', take); resolve(value); };
        this.socket.on('data', take);
        this.socket.write(this.request);
      });
      this.times.push(performance.now() - began);
      if (code !== 0) this.wrong += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  // How it was: reads, those not answered with the record, and ms.
  async end() {
    this.ended = true;
    await this.running;
    this.socket.destroy();
    const sorted = [...this.times].sort((a, b) => a - b);
    const at = (part) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(1));
    return { reads: sorted.length, wrong: this.wrong, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}

// An info command to a node's port 3000.
export function info(address, command) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(3000, address).on('error', reject);
    const body = Buffer.from(`${command}\n`), head = Buffer.alloc(8);
    head.writeBigUInt64BE((2n << 56n) | (1n << 48n) | BigInt(body.length));
    socket.write(Buffer.concat([head, body]));
    let answer = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      answer = Buffer.concat([answer, bytes]);
      if (answer.length < 8 || answer.length < 8 + answer.readUIntBE(2, 6)) return;
      socket.destroy();
      resolve(answer.subarray(8).toString().trim().split('\t').at(-1));
    });
  });
}
