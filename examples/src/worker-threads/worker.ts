// What each thread does: primes up to a number, and nothing else until it is done.
import { parentPort } from 'node:worker_threads';

parentPort?.on('message', (upTo: number) => {
  let primes = 0;
  for (let n = 2; n <= upTo; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor++;
    if (divisor * divisor > n) primes++;
  }
  parentPort?.postMessage(primes);
});
