// Numbers of connections, clients' and servers' from one row, as the console and the log show them.

let last = 0;

export function nextId(): number {
  return ++last;
}
