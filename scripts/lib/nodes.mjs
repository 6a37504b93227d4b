// Other Nodes than the one that runs. They come from npm, where each release is a package per platform that holds the bare binary, so that
// nothing has to be installed on the machine and no install script has to run. They are kept in node_modules/.cache.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, npm, root } from './run.mjs';

const cache = join(root, 'node_modules/.cache/millpond/nodes');

/** The package that holds the binary for this platform. The first Macs with ARM got a name of their own. */
function packageName() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  return `${platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${process.arch}`;
}

/** The binary of one release, fetched if it is not there yet. */
export async function nodeBinary(version) {
  const name = packageName();
  const folder = join(cache, version);
  const binary = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--workspaces=false'];
  await must(...npm('install', '--prefix', folder, ...flags, `${name}@${version}`), { cwd: folder });
  return binary;
}
