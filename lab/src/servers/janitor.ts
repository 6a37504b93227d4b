// Cleans up behind this process, also when it is killed and has no chance to do it itself.
import { spawn, type ChildProcess } from 'node:child_process';

/**
 * Starts a shell that outlives us with `script`, which begins with `cat > /dev/null`: that blocks until our end of its standard input is
 * closed, by us (`stdin.destroy()`) or by our death. `$1` and on: `args`. Not wanted any more: `kill('SIGKILL')`.
 */
export function startJanitor(script: string, ...args: readonly string[]): ChildProcess {
  const janitor = spawn('/bin/sh', ['-c', script, 'janitor', ...args], { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  janitor.on('error', () => undefined); // without a shell the exit hook alone has to do
  janitor.stdin.on('error', () => undefined);
  janitor.unref();
  (janitor.stdin as NodeJS.WritableStream & { unref?(): void }).unref?.();
  return janitor;
}
