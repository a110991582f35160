/** Indexes a folder once, as a process that may be killed: index-once.ts INDEX FOLDER MODEL. For tests. */
import { openTokenCounter } from '@block-attention/engine/internal/engine';
import { openIndex } from '../index.ts';

const [directory = '', folder = '', model = ''] = process.argv.slice(2);
using tokenizer = await openTokenCounter(model);
await using index = await openIndex({ directory });
process.stdout.write('started\n');
const { chunks } = await index.update(folder, { tokenizer });
process.stdout.write(`${JSON.stringify(chunks)}\n`);
