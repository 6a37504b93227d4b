// A worker thread with a pool that it shares with the console of its process. `workerData`: where the compiled library is.

import { parentPort, workerData } from 'node:worker_threads';

const { Pool } = await import(new URL('index.js', workerData));
const { shareWithConsole } = await import(new URL('console/index.js', workerData));

globalThis.kept = new Pool({ name: 'in a worker', max: 3, factory: { create: () => ({}), destroy: () => undefined } });
shareWithConsole();
parentPort.postMessage('ready');
// Stays until it is terminated.
setInterval(() => undefined, 1_000);
