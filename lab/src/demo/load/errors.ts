// Errors by kind, for counting: the code (SQLSTATE, a system error, a pool's code) and what it says without its details.

export function errorKind(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  const text = typeof code === 'string' && code.startsWith('ERR_POOL_') ? error.name : summary(error.message);
  return typeof code === 'string' && !text.includes(code) ? `${text} (${code})` : text;
}

/** The first line, without addresses, numbers of ports and the like, which would make a kind of each error. */
function summary(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.replace(/\s+(?:\d{1,3}\.){3}\d{1,3}:\d+|\s+::1:\d+/g, '').slice(0, 100);
}
