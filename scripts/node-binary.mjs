// Prints where the binary of another Node is, fetched if it is not there yet: `node scripts/node-binary.mjs 22`. Tests of what this Node
// cannot do use it.

import { nodeBinary } from './lib/nodes.mjs';

const [version] = process.argv.slice(2);
if (version === undefined) throw new Error('Usage: node scripts/node-binary.mjs VERSION');
process.stdout.write(`${await nodeBinary(version)}\n`);
