// What a stretch of work took, on the clock and of this process' CPU (all of its threads: passwords are hashed in another one).

export interface Cost {
  readonly wallMs: number;
  readonly clientMs: number;
}

/** Begins now; the function that it returns tells what it took until then. */
export function cpuOf(): () => Cost {
  const before = process.cpuUsage();
  const fromMs = performance.now();
  return () => {
    const wallMs = performance.now() - fromMs;
    const { user, system } = process.cpuUsage(before);
    return { wallMs, clientMs: (user + system) / 1000 };
  };
}
