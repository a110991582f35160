/** The commands by name, in the order of `--help`. A run of one loads no other. */
import type { Command } from 'commander';
import type { CommandContext } from './io.ts';

type AddCommand = (program: Command, context: CommandContext) => void;

const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  pull: async () => (await import('./pull.ts')).addPull,
  models: async () => (await import('./models.ts')).addModels,
  up: async () => (await import('./up.ts')).addUp,
  index: async () => (await import('./index-folder.ts')).addIndex,
  watch: async () => (await import('./watch.ts')).addWatch,
  ask: async () => (await import('./ask.ts')).addAsk,
  search: async () => (await import('./search.ts')).addSearch,
  encode: async () => (await import('./encode.ts')).addEncode,
  enqueue: async () => (await import('./enqueue.ts')).addEnqueue,
  worker: async () => (await import('./worker.ts')).addWorker,
  forget: async () => (await import('./forget.ts')).addForget,
  serve: async () => (await import('./serve.ts')).addServe,
  mcp: async () => (await import('./mcp.ts')).addMcp,
  store: async () => (await import('./store.ts')).addStore,
  bench: async () => (await import('./bench-ttft.ts')).addBench,
  demo: async () => (await import('./demo.ts')).addDemo,
  finetune: async () => (await import('./finetune.ts')).addFinetune,
  eval: async () => (await import('./eval.ts')).addEval,
  verify: async () => (await import('./verify.ts')).addVerify,
  adapt: async () => (await import('./adapt.ts')).addAdapt,
  data: async () => (await import('./generate-data.ts')).addData,
};

/** What these arguments need: the command that comes first, else all, so that help and complaints know them. */
export function loadCommands(argv: readonly string[]): Promise<AddCommand[]> {
  const [name = ''] = argv;
  if (name === '--version' && argv.length === 1) return Promise.resolve([]);
  const known = Object.hasOwn(commands, name) ? commands[name] : undefined;
  const loaders = known === undefined ? Object.values(commands) : [known];
  return Promise.all(loaders.map((load) => load()));
}
