/** The commands by name, in the order of `--help`. A run of one loads no other. */
import type { Command } from 'commander';
import type { CommandContext } from './terminal/io.ts';

type AddCommand = (program: Command, context: CommandContext) => void;

const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  pull: async () => (await import('./commands/pull.ts')).addPull,
  models: async () => (await import('./commands/models.ts')).addModels,
  up: async () => (await import('./commands/up.ts')).addUp,
  index: async () => (await import('./commands/index-folder.ts')).addIndex,
  watch: async () => (await import('./commands/watch.ts')).addWatch,
  ask: async () => (await import('./commands/ask.ts')).addAsk,
  search: async () => (await import('./commands/search.ts')).addSearch,
  encode: async () => (await import('./commands/encode.ts')).addEncode,
  enqueue: async () => (await import('./commands/enqueue.ts')).addEnqueue,
  worker: async () => (await import('./commands/worker.ts')).addWorker,
  forget: async () => (await import('./commands/forget.ts')).addForget,
  serve: async () => (await import('./commands/serve.ts')).addServe,
  mcp: async () => (await import('./commands/mcp.ts')).addMcp,
  store: async () => (await import('./commands/store.ts')).addStore,
  bench: async () => (await import('./commands/bench-ttft.ts')).addBench,
  demo: async () => (await import('./demo/demo.ts')).addDemo,
  finetune: async () => (await import('./commands/finetune.ts')).addFinetune,
  eval: async () => (await import('./commands/eval.ts')).addEval,
  verify: async () => (await import('./commands/verify.ts')).addVerify,
  adapt: async () => (await import('./commands/adapt.ts')).addAdapt,
  data: async () => (await import('./commands/generate-data.ts')).addData,
};

/** What these arguments need: the command that comes first, else all, so that help and complaints know them. */
export function loadCommands(argv: readonly string[]): Promise<AddCommand[]> {
  const [name = ''] = argv;
  if (name === '--version' && argv.length === 1) return Promise.resolve([]);
  const known = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const loaders = known === undefined ? Object.values(commands) : [known];
  return Promise.all(loaders.map((load) => load()));
}
