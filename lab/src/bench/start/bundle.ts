// How much a bundle grows by a pool: minified by esbuild, for Node, and compressed with Brotli as a registry of functions would.
import { brotliCompressSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface BundleSize {
  readonly minifiedKb: number;
  readonly brotliKb: number;
}

/** Optional parts that drivers load only where they are installed. */
const LEFT_OUT = ['pg-native', 'cloudflare:sockets', '@opentelemetry/api', '@node-rs/xxhash'];
const HERE = fileURLToPath(new URL('.', import.meta.url));

export async function bundleSize(source: string, without: readonly string[] = []): Promise<BundleSize> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: HERE, loader: 'js' },
    bundle: true, minify: true, write: false, format: 'esm', platform: 'node', target: 'node20', logLevel: 'silent',
    external: [...LEFT_OUT, ...without],
  });
  const code = outputFiles[0]?.contents ?? new Uint8Array();
  return { minifiedKb: code.length / 1000, brotliKb: brotliCompressSync(code).length / 1000 };
}
