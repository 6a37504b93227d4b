// Kills processes from another process. A signal from this one would come between two turns of the event loop: nobody would be asking at
// that moment, and a kill under load would be one in a quiet minute.
import { spawn } from 'node:child_process';

/** `onStrike` is called when the killer is on its way; resolves when the signals are sent. */
export function killFromOutside(pids: readonly number[], onStrike: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    // The kill of those already gone fails; that is no failure here.
    const killer = spawn('/bin/sh', ['-c', 'kill -KILL "$@" 2> /dev/null; exit 0', 'kill', ...pids.map(String)], { stdio: 'ignore' });
    killer.once('spawn', onStrike);
    killer.once('error', reject);
    killer.once('exit', () => resolve());
  });
}
