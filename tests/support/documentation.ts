/**
 * What the tests do with each fenced example of README and docs/*.md. An example that is not listed here fails: list
 * it under its page and first line, with what to put for what takes long, needs a download, or is a place of the
 * reader's own. As few replacements as possible: what is replaced is not tested.
 */

export interface Example {
  readonly page: string;
  /** What its first line begins with. */
  readonly begins: string;
  /**
   * `run`: a shell runs its commands (with prompts, only the lines behind them). `compile`: TypeScript checks it.
   * `shown`: nothing to run.
   */
  readonly how: 'run' | 'compile' | 'shown';
  /** Texts and what stands for them, each at least once there. */
  readonly instead?: readonly (readonly [string, string])[];
  /** TypeScript before it: what the reader has already. */
  readonly given?: string;
  /** Why it is only shown. */
  readonly why?: string;
}

const small = ' --threads 1';
const passages = "const passages = [{ text: 'The bridge was opened in 1931.' }];";

export const examples: readonly Example[] = [
  { page: 'README.md', begins: 'npm ci && npm run demo', how: 'shown', why: 'it installs this package: CI runs it' },
  {
    page: 'README.md',
    begins: 'npx block-attention up ./docs',
    how: 'run',
    instead: [['up ./docs', 'up ./docs --check']],
  },
  {
    page: 'README.md',
    begins: 'npx block-attention index ./docs',
    how: 'run',
    instead: [
      ['serve --model smollm2-135m', 'serve --model embedded --check'],
      ['adapt --model M --documents ./docs', `adapt --model embedded --contexts 8 --documents ./docs${small}`],
      ['--model M --documents ./docs', `--model embedded --documents ./docs --limit 4${small}`],
      ['--model M --data train.jsonl --out run', `--model embedded --data train.jsonl --out run --limit 16${small}`],
    ],
  },
  { page: 'README.md', begins: 'import { createBlockStore', how: 'compile', given: passages },
  {
    page: 'docs/adapt.md',
    begins: 'block-attention adapt --model MODEL',
    how: 'run',
    instead: [
      [
        '--model MODEL --documents ./docs',
        `--model embedded --out adapted-page --contexts 8${small} --documents ./docs`,
      ],
      ['ask --model MODEL', `ask --model embedded${small}`],
      ['adapted-MODEL', 'adapted-page'],
    ],
  },
  {
    page: 'docs/adapters.md',
    begins: 'createStuffDocumentsChain(',
    how: 'shown',
    why: 'four lines of four programs, with parts left out: examples/ has whole ones, which are type-checked',
  },
  { page: 'docs/architecture.md', begins: 'block-attention           cli', how: 'shown', why: 'a drawing' },
  { page: 'docs/benchmarks.md', begins: 'npm run bench', how: 'shown', why: 'benchmarks take minutes to hours' },
  {
    page: 'docs/evaluation.md',
    begins: 'block-attention eval --model MODEL --data questions.jsonl --modes',
    how: 'run',
    instead: [['--model MODEL', `--model embedded --limit 4${small}`]],
  },
  {
    page: 'docs/evaluation.md',
    begins: 'block-attention eval --model MODEL --data questions.jsonl --policy',
    how: 'run',
    instead: [['--model MODEL', `--model embedded --limit 4${small}`]],
  },
  {
    page: 'docs/evaluation.md',
    begins: 'block-attention verify --model MODEL',
    how: 'run',
    instead: [['--model MODEL', `--model embedded --limit 4${small}`]],
  },
  { page: 'docs/evaluation.md', begins: 'block-attention data --count 2000', how: 'run' },
  {
    page: 'docs/finetuning.md',
    begins: 'block-attention finetune --model MODEL --data train.jsonl',
    how: 'run',
    instead: [
      ['finetune --model MODEL', `finetune --model embedded --limit 16${small}`],
      ['eval --model MODEL', `eval --model embedded --limit 4${small}`],
      ['verify --model MODEL', `verify --model embedded --limit 4${small}`],
      ['ask --model MODEL', `ask --model embedded${small}`],
    ],
  },
  {
    page: 'docs/finetuning.md',
    begins: 'block-attention finetune --writer',
    how: 'run',
    instead: [
      ['--model MODEL --data', `--model embedded --limit 16${small} --data`],
      ['ask --model MODEL', `ask --model embedded${small}`],
    ],
  },
  {
    page: 'docs/finetuning.md',
    begins: 'block-attention finetune --out runs/answers',
    how: 'run',
    instead: [
      ['--model MODEL --data', `--model embedded --limit 16${small} --data`],
      ['ask --model MODEL', `ask --model embedded${small}`],
    ],
  },
  {
    page: 'docs/finetuning.md',
    begins: 'block-attention data --count 600',
    how: 'run',
    instead: [
      ['--count 600', '--count 24'],
      ['--count 200', '--count 8'],
      ['--out runs/first', '--out runs/second'],
      ['--adapter runs/first/', '--adapter runs/second/'],
    ],
  },
  {
    page: 'docs/finetuning.md',
    begins: 'block-attention finetune --model smollm2-135m',
    how: 'run',
    instead: [
      ['--model smollm2-135m', '--model embedded --threads 1'],
      ['--data squad-train.jsonl', '--data train.jsonl'],
      ['--data squad-test.jsonl', '--data test.jsonl --limit 4'],
      ['--limit 800', '--limit 16'],
    ],
  },
  { page: 'docs/finetuning.md', begins: 'import { finetune }', how: 'compile' },
  {
    page: 'docs/rag.md',
    begins: 'npx block-attention up ./docs',
    how: 'run',
    instead: [['up ./docs', 'up --check ./docs']],
  },
  {
    page: 'docs/rag.md',
    begins: 'npx block-attention pull minilm',
    how: 'shown',
    why: 'it fetches a model from the hub',
  },
  {
    page: 'docs/native-library.md',
    begins: 'npm run build:kernels',
    how: 'shown',
    why: 'it compiles for eight platforms: a matter of a quarter of an hour',
  },
  { page: 'docs/rag.md', begins: '$ npx block-attention index ./docs', how: 'run' },
  { page: 'docs/rag.md', begins: '$ sed -i', how: 'run' },
  { page: 'docs/rag.md', begins: '$ npx block-attention search', how: 'run' },
  {
    page: 'docs/rag.md',
    begins: 'npm install tesseract.js',
    how: 'shown',
    why: 'it installs a package and reads scans',
  },
  { page: 'docs/rag.md', begins: '{ "mcpServers"', how: 'shown', why: 'a settings file of another program' },
  { page: 'docs/rag.md', begins: 'import { createBlockStore', how: 'compile' },
  { page: 'docs/reproduction.md', begins: 'npm run reproduce', how: 'shown', why: 'it trains for hours' },
  {
    page: 'docs/scaling.md',
    begins: 'block-attention serve  --model M',
    how: 'shown',
    why: 'it needs two servers of Redis: the tests of src/queue start them and run these commands',
  },
  {
    page: 'docs/server.md',
    begins: 'npx block-attention serve --model smollm2-135m',
    how: 'run',
    instead: [['smollm2-135m', 'embedded --check']],
  },
  { page: 'docs/server.md', begins: 'import type { WithAccount', how: 'compile' },
  {
    page: 'docs/server.md',
    begins: 'curl -s http://127.0.0.1:8787/v1/chat/completions',
    how: 'run',
    instead: [
      // In a folder with documents, and a server on a free port.
      [
        'curl -s http://127.0.0.1:8787/v1/chat/completions',
        `printf 'Notes of the harbour.' > notes.md
npx block-attention up ./docs --port 0 --json${small} > up.json 2> up.log &
server=$!
trap 'kill $server' EXIT
until [ -s up.json ] || ! kill -0 $server; do sleep 0.2; done
url=$(sed 's/.*"url":"\\([^"]*\\)".*/\\1/' up.json)
curl -s http://127.0.0.1:8787/v1/chat/completions`,
      ],
      ['http://127.0.0.1:8787', '$url'],
      ['curl -s ', 'curl -sf '],
    ],
  },
  { page: 'docs/server.md', begins: 'import { Ollama }', how: 'compile' },
  { page: 'docs/server.md', begins: '{', how: 'shown', why: 'an answer' },
  { page: 'docs/store.md', begins: 'block-attention store ls|stats', how: 'shown', why: 'a list of spellings' },
];
