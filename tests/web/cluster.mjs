// Three real nodes on loopback addresses of their own, for tests of the web door.
import { spawn } from 'node:child_process';

export class Cluster {
  constructor(binary, base, namespace = 'test:replication-factor=2') {
    this.binary = binary;
    this.namespace = namespace;
    this.base = base;
    this.nodes = [];
    // More words for each node.
    this.more = [];
  }

  address(number) { return `127.0.${this.base}.${number + 1}`; }

  url(number) { return `http://${this.address(number)}:4200`; }

  start(number) {
    const seeds = [0, 1, 2].filter((other) => other !== number).map((other) => `${this.address(other)}:3002`);
    const child = spawn(this.binary, ['serve', '--address', this.address(number), '--seed', seeds.join(','),
      '--namespace', this.namespace, '--log-level', 'error', ...this.more], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('exit', (code) => { if (!child.wanted && code) console.log(`node ${number} ended with ${code}`); });
    this.nodes[number] = child;
  }

  kill(number, signal = 'SIGKILL') {
    this.nodes[number].wanted = true;
    this.nodes[number].kill(signal);
  }

  end() { this.nodes.forEach((node) => { node.wanted = true; node.kill('SIGKILL'); }); }
}

// Asks again and again until the answer is what is wanted; says what the last one was when the patience ends.
export async function until(what, ask, wanted, patience = 60000) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    try {
      last = await ask();
      if (wanted(last)) return last;
    } catch (error) { last = error.message; }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: never came; last: ${JSON.stringify(last)?.slice(0, 500)}`);
}

export async function json(method, url, body, headers = {}) {
  const response = await fetch(url, { method, headers: { ...headers, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body && JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, etag: response.headers.get('etag'), headers: response.headers, body: text ? JSON.parse(text) : null };
}
