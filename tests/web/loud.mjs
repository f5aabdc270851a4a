// A tenant at full speed, in a thread of its own: writes over REST to sets whose names begin with `loud.`, until it is told to stop.
import { parentPort, workerData } from 'node:worker_threads';
import { Agent, request } from 'node:http';

const { urls, connections } = workerData;
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const figures = { served: 0, refused: 0, other: 0, problem: null };
let running = true;
parentPort.on('message', () => { running = false; });

function put(n) {
  const url = `${urls[n % urls.length]}/v1/db/test/loud.${n % 2 ? 'users' : 'orders'}/key-${n % 500}`;
  const body = JSON.stringify({ bins: { n } });
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'PUT', agent, headers: { 'Content-Type': 'application/json', 'Content-Length': body.length } }, (answer) => {
      let text = '';
      answer.on('data', (bytes) => { text += bytes; }).on('end', () => {
        if (answer.statusCode === 200) figures.served += 1;
        else if (answer.statusCode === 429) {
          figures.refused += 1;
          figures.problem = { ...JSON.parse(text), later: answer.headers['retry-after'] };
        } else figures.other += 1;
        resolve();
      });
    });
    asked.on('error', reject).end(body);
  });
}

await Promise.all(Array.from({ length: connections }, async (_, first) => {
  for (let n = first; running; n += connections) await put(n).catch(() => { figures.other += 1; });
}));
parentPort.postMessage(figures);
