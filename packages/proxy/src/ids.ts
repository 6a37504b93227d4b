// Numbers of connections, clients' and servers' from one row, as the console and the log show them.

let last = 0;
let step = 1;

/** Where several processes are one proxy: this one's numbers are `first`, and from there on every `every`th. */
export function numberFrom(first: number, every: number): void {
  last = first - every;
  step = every;
}

export function nextId(): number {
  last += step;
  return last;
}
