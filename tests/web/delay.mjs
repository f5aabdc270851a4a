// A proxy that adds time to what goes through it: half of a round trip each way, and a whole one before the first byte of a
// connection, which is what setting one up takes.
import net from 'node:net';

export async function delayed(address, port, to, roundTripMs) {
  const server = net.createServer((near) => {
    const far = net.connect(to);
    const began = performance.now();
    carry(near, far, () => Math.max(roundTripMs / 2, began + roundTripMs * 1.5 - performance.now()));
    carry(far, near, () => roundTripMs / 2);
    for (const [one, other] of [[near, far], [far, near]]) one.setNoDelay(true).on('error', () => other.destroy());
  });
  await new Promise((resolve, reject) => server.listen(port, address, resolve).on('error', reject));
  return server;
}

// Chunks stay in order: each comes at its time, and never before the one that went ahead of it.
function carry(from, to, wait) {
  let last = 0;
  const later = (act) => {
    last = Math.max(last, performance.now() + wait());
    setTimeout(act, last - performance.now());
  };
  from.on('data', (bytes) => later(() => to.writable && to.write(bytes)));
  from.on('end', () => later(() => to.end()));
}
