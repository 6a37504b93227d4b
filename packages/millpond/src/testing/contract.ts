// A contract is a list of cases that throw when they fail. It knows no test framework, so it runs in each of them.

/** One case of a contract. */
export interface ContractCase {
  /** A sentence that says what holds. */
  readonly name: string;
  /** Resolves when it holds; rejects, saying what does not. */
  run(): Promise<void>;
}

/**
 * Registers every case with a test framework: `defineCases(poolContract(...), test)` works with `test` of Vitest, Jest and node:test alike.
 * `skip` names cases that are known not to hold; a name that no case has is an error, so that such a list cannot outlive its reasons.
 */
export function defineCases(
  cases: readonly ContractCase[],
  test: (name: string, run: () => Promise<void>) => unknown,
  skip: readonly string[] = [],
): void {
  for (const name of skip) {
    if (!cases.some((each) => each.name === name)) throw new Error(`defineCases: no case is called '${name}'`);
  }
  for (const { name, run } of cases) if (!skip.includes(name)) test(name, () => run());
}

/** Runs every case and returns those that failed, with their errors. */
export async function runCases(cases: readonly ContractCase[]): Promise<{ readonly name: string; readonly error: unknown }[]> {
  const failures: { name: string; error: unknown }[] = [];
  for (const { name, run } of cases) {
    try {
      await run();
    } catch (error) {
      failures.push({ name, error });
    }
  }
  return failures;
}
