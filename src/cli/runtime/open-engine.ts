/** From flags to an engine over a store. Loaded only by commands that compute: it brings the native libraries. */

import { throwIfAborted } from '@block-attention/engine/internal/base';
import {
  createEngineWith,
  type Engine,
  type EngineOptions,
  type TokenizerAhead,
} from '@block-attention/engine/internal/engine';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import { type Passage, readPassages } from '@block-attention/engine/internal/prompt';
import type { BlockStore } from '@block-attention/engine/internal/store';
import { defaultModel, type PullProgress, type ResolvedModel, resolveModel } from '../../hub/index.ts';
import { showPull } from '../commands/pull.ts';
import { engineOptions, type ModelOptions } from '../options/model-options.ts';
import type { CliIo } from '../terminal/io.ts';
import type { Output } from '../terminal/output.ts';

export interface OpenedEngine extends AsyncDisposable {
  readonly engine: Engine;
  readonly model: ResolvedModel;
  /** Loading the model, in ms; fetching it not counted. */
  readonly loadMs: number;
}

/** Resolves the model, fetching it if need be, and loads it. The store is closed with the engine. */
export async function openEngine(
  options: ModelOptions,
  {
    io,
    output,
    store,
    ahead,
    more,
  }: {
    readonly io: CliIo;
    readonly output: Output;
    readonly store?: BlockStore | undefined;
    readonly ahead?: TokenizerAhead | undefined;
    /** Options of the engine that have no flag on every command. */
    readonly more?: Partial<EngineOptions> | undefined;
  },
): Promise<OpenedEngine> {
  try {
    const model = await resolveFor(options.model, { io, output });
    output.progress.clear();
    throwIfAborted(io.signal);
    const started = performance.now();
    output.progress.show({ label: `loading ${model.name}` });
    const engine = await createEngineWith(
      {
        ...engineOptions(options),
        adapter: adaptersOf(options, model),
        onThreads: ({ message }) => output.note(message),
        ...more,
        modelPath: model.path,
        store,
        cacheDir: cacheFolder(io.env),
      },
      { ahead },
    );
    output.progress.clear();
    if (engine.attentionReason !== null)
      output.note(`portable attention, several times slower: ${engine.attentionReason}`);
    const { trainedContext, contextTokens } = engine.model;
    if (contextTokens > trainedContext) {
      output.note(
        `warning: --context is ${contextTokens}, the model was trained for ${trainedContext}: it reads longer prompts badly`,
      );
    }
    for (const warning of engine.model.warnings) output.note(`warning: ${warning}`);
    const close = async () => {
      await engine.close();
      await store?.close();
    };
    return { engine, model, loadMs: performance.now() - started, [Symbol.asyncDispose]: close };
  } catch (error) {
    await store?.close();
    throw error;
  } finally {
    output.progress.clear();
  }
}

/** The adapters to apply: those that were named, `none` for none, else the one that comes with the alias. */
export function adaptersOf({ adapter }: Pick<ModelOptions, 'adapter'>, model: ResolvedModel): readonly string[] {
  if (adapter === undefined) return model.adapter === undefined ? [] : [model.adapter];
  return adapter.filter((path) => path !== 'none');
}

/** The file of a model, fetched if need be; of the default one where none is named. */
export async function resolveFor(
  reference: string | undefined,
  { io, output }: { readonly io: CliIo; readonly output: Output },
): Promise<ResolvedModel> {
  const onProgress = (progress: PullProgress) => showPull(output, progress);
  const model = await resolveModel(reference ?? defaultModel(io.env), { env: io.env, signal: io.signal, onProgress });
  if (model.instead !== undefined) output.note(model.instead);
  return model;
}

/** Passages of `--passages`, with what is odd about them as notes. */
export async function passagesOf(source: string, { io, output }: { io: CliIo; output: Output }): Promise<Passage[]> {
  output.progress.show({ label: 'reading passages' });
  const onWarning = (message: string) => output.note(`warning: ${message}`);
  return readPassages(source, { onWarning, ...(source === '-' && { stdin: io.stdin }) });
}
