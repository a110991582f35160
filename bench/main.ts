/**
 * `npm run bench -- NAME [options]`: runs one benchmark; without a name, lists them.
 *
 * Each prints a card for people and, as its last line, one line of JSON for machines.
 */
import { readFileSync } from 'node:fs';

const benchmarks: Readonly<Record<string, readonly [folder: string, what: string]>> = {
  ttft: [
    'speed',
    'time to first token against full prefill, kept prefixes in the same and in shuffled order, and the floor',
  ],
  attention: ['speed', "one layer's attention, 50 queries × 32,768 keys, against flash_attn_ext"],
  'attention-kinds': [
    'speed',
    'sinks, a soft cap and a window in the native kernel, against the same attention without',
  ],
  gpu: [
    'speed',
    "the paper's table on a device, with a model of random weights made here: --device, --shape 8b|1b|tiny, --minutes",
  ],
  encode: ['speed', "encoding of 512-token blocks against llama.cpp's prefill"],
  experts: [
    'speed',
    "a mixture of Qwen 3 30B-A3B's shape, cut to 4 layers: encoding against llama.cpp's prefill, and the first token",
  ],
  decode: ['speed', 'decoding after 8,192 tokens, one sequence and eight that share passages'],
  profile: ['speed', 'where the time of a decoded token and of a first token goes, by the graph’s nodes'],
  linear: ['speed', 'linear layers by the native kernel and by ggml, for every type of weights'],
  types: [
    'speed',
    'a shape in every type of weights: 512 tokens, 50 and one, against llama.cpp with the same and its best',
  ],
  anchor: ['speed', 'what an anchor costs: encoding behind it, and the first token'],
  adapter: ['speed', 'what a LoRA costs while the model runs'],
  store: ['store', 'the first answer after a restart; look-up, keys and pins'],
  start: ['speed', 'a whole `ask` on a warm store, from process start'],
  serve: ['serve', 'a server under load, against llama-server'],
  conversation: [
    'serve',
    'ten questions in turn over an index of 1,000 pages, against llama-server and node-llama-cpp with kept prefixes',
  ],
  select: ['speed', 'what choosing passages costs, with and without what servers keep'],
  tools: ['speed', 'the first token when one of an agent’s 31 tool schemas is new, against full prefill'],
  contention: ['speed', 'beside busy loops: the threads that the default chooses against every fixed number'],
  train: ['speed', 'a training step against PyTorch'],
  'break-even': ['store', 'loading a block against encoding it'],
  'kv-types': ['store', 'element types of stored states: bytes, error, time'],
  'sealed-store': ['store', 'what encryption at rest costs'],
  retrieval: ['quality', 'recall of passages against plain BM25; with --embed by vectors and both'],
  'index-update': ['speed', 'an update of 50,000 passages of which one file has changed'],
  languages: ['quality', 'recall of passages in other languages and scripts'],
  citations: ['quality', 'whether inDocuments and citations tell right answers from wrong ones'],
  manual: ['quality', 'questions that people ask of a manual, as `ask` answers them'],
  state: ['speed', 'a JSON state of 300 blocks of which few change'],
  chart: ['.', 'draws what was saved: --from FILE --out FOLDER'],
};

const [name] = process.argv.splice(2, 1);
const save = process.argv.indexOf('--save');
if (save !== -1) process.env.BLOCK_ATTENTION_BENCH_FILE = process.argv.splice(save, 2)[1];
if (name === undefined || !Object.hasOwn(benchmarks, name)) {
  if (name !== undefined && name !== '--help') console.error(`unknown benchmark ${name}`);
  console.log('npm run bench -- NAME [--model REF] [--threads N] [--runs N] [--save FILE]\n');
  for (const [known, [, what]] of Object.entries(benchmarks)) console.log(`  ${known.padEnd(16)}${what}`);
  process.exit(name === undefined || name === '--help' ? 0 : 2);
}
const path = `./${benchmarks[name]?.[0]}/${name}.ts`;
if (process.argv.includes('--help')) {
  // What begins the file says what it measures, and its options.
  const [, told = ''] = /\/\*\*\n(.*?)\n \*\//s.exec(readFileSync(new URL(path, import.meta.url), 'utf8')) ?? [];
  console.log(told.replace(/^ \* ?/gm, ''));
  process.exit(0);
}
try {
  await import(path);
} catch (error) {
  if (!String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`${(error as Error).message}\nnpm run bench -- ${name} --help`);
  process.exit(2);
}
