// Which failures of a connect no waiting mends: those of TLS, of options, and of rights.

/**
 * Codes of Node and OpenSSL. Everything that speaks of a certificate, besides. Not among them: a name that does not resolve (ENOTFOUND).
 * It may be misspelt, but records come and go with what they name.
 */
const PERMANENT = new RegExp([
  'CERT|CRL|_SIGNATURE$|HOSTNAME_MISMATCH',
  '^(?:ERR_(?:TLS|SSL|OSSL|INVALID)_|ERR_SOCKET_BAD_PORT$|EACCES$|EPROTO$)',
  '^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY)$',
].join('|'));

export function isPermanentCode(code: string): boolean {
  return PERMANENT.test(code);
}
