/**
 * Loading a GGUF file into libllama: the whole model, or its vocabulary only.
 *
 * Shared by the tokenizer and the reference implementation. Knows the layout of `llama_model_params` of the pinned
 * release, and proves it against the library's own defaults before the first load: a struct passed by value in the
 * wrong layout would corrupt memory silently.
 */
import { statSync } from 'node:fs';
import koffi, { type KoffiFunc } from 'koffi';
import { BlockAttentionError } from '../../errors.ts';
import { call } from '../ffi/call.ts';
import { library, loadLibrary, nativeRelease } from '../ffi/library.ts';
import { hearErrors } from '../ffi/log.ts';
import { checkVocabulary } from './vocab-check.ts';

export interface LlamaModel {
  readonly handle: bigint;
  readonly vocab: bigint;
  /** Bytes of the longest token as the file spells it. */
  readonly longestTokenBytes: number;
  /** Idempotent. Everything made from the model must be gone before. */
  free(): void;
}

/** The file as llama_model_params sees it; only what is set here differs from the library's defaults. */
export interface LlamaModelOptions {
  readonly vocabOnly: boolean;
  /** Repack weights for the CPU's widest kernels. Ignored with vocabOnly. */
  readonly repack?: boolean | undefined;
  /** For embeddings, which also models with other tokenizers give. Defaults to false. */
  readonly embedding?: boolean | undefined;
}

const modelParams = {
  devices: 'void *',
  tensor_buft_overrides: 'void *',
  n_gpu_layers: 'int32_t',
  split_mode: 'int',
  load_mode: 'int',
  lazy_mode: 'int',
  main_gpu: 'int32_t',
  tensor_split: 'void *',
  progress_callback: 'void *',
  progress_callback_user_data: 'void *',
  kv_overrides: 'void *',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
} as const;

const modelDefaults = {
  devices: null,
  tensor_buft_overrides: null,
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  main_gpu: 0,
  tensor_split: null,
  progress_callback: null,
  progress_callback_user_data: null,
  kv_overrides: null,
  vocab_only: false,
  check_tensors: false,
  use_extra_bufts: true,
  no_host: false,
  no_alloc: false,
  load_mtp: false,
};

type ModelParams = { -readonly [K in keyof typeof modelDefaults]: (typeof modelDefaults)[K] } & {
  vocab_only: boolean;
  use_extra_bufts: boolean;
};

/**
 * Compares what the library says its defaults are with what the declared layout should read.
 * @throws BACKEND_UNAVAILABLE naming every field that reads as something else.
 */
export function checkDefaults(struct: string, read: object, expected: object): void {
  const actual = read as Record<string, unknown>;
  const wrong = Object.entries(expected)
    .filter(([field, value]) => actual[field] !== value)
    .map(([field, value]) => `${field} is ${String(actual[field])} instead of ${String(value)}`);
  if (wrong.length === 0) return;
  throw new BlockAttentionError(
    'BACKEND_UNAVAILABLE',
    `the native library's ${struct} is not the one of release ${nativeRelease} (${wrong.join(', ')}): reinstall @node-llama-cpp/* ${nativeRelease}`,
  );
}

interface Calls {
  readonly params: ModelParams;
  readonly load: KoffiFunc<(path: string, params: ModelParams) => bigint | null>;
  readonly vocab: (model: bigint) => bigint;
  readonly free: (model: bigint) => void;
}
let calls: Calls | undefined;

function native(): Calls {
  if (calls === undefined) {
    const { llama } = library();
    const struct = koffi.struct(modelParams);
    const params = llama.func('llama_model_default_params', struct, [])() as ModelParams;
    checkDefaults('llama_model_params', params, modelDefaults);
    llama.func('void llama_backend_init(void)')();
    calls = {
      params,
      load: llama.func('llama_model_load_from_file', 'void *', ['str', struct]) as Calls['load'],
      vocab: llama.func('void *llama_model_get_vocab(void *model)') as Calls['vocab'],
      free: llama.func('void llama_model_free(void *model)') as Calls['free'],
    };
  }
  return calls;
}

/**
 * Loads a file without blocking the event loop.
 * @throws MODEL_NOT_FOUND when there is no such file; MODEL_INVALID when libllama refuses it; MODEL_UNSUPPORTED for its
 *   tokenizer.
 */
export async function loadLlamaModel(path: string, options: LlamaModelOptions): Promise<LlamaModel> {
  await loadLibrary();
  const { params, load, vocab, free } = native();
  requireFile(path);
  const longestTokenBytes = checkVocabulary(path, { embedding: options.embedding });
  const wanted = { ...params, vocab_only: options.vocabOnly, use_extra_bufts: options.repack ?? true };
  const handle = (await call(load, path, wanted)) ?? loadAgain(load, path, wanted);
  let freed = false;
  return {
    handle,
    vocab: vocab(handle),
    longestTokenBytes,
    free() {
      if (freed) return;
      freed = true;
      free(handle);
    },
  };
}

/**
 * A second attempt, which says why the first failed: libllama gives its reason to its log alone. On this thread, where
 * the log can be heard; what fails does so within the header or the vocabulary.
 */
function loadAgain(load: Calls['load'], path: string, params: ModelParams): bigint {
  const { result, errors } = hearErrors(library(), () => load(path, params));
  if (result !== null) return result;
  // Each caller repeats it in fewer words.
  const reason = errors
    .filter((line) => !/failed to load model\s*$/.test(line))
    .at(-1)
    ?.replace(/^\w+: (error loading model: )?/, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, 300);
  throw new BlockAttentionError(
    'MODEL_INVALID',
    `${path} cannot be loaded: ${reason ?? 'it is not a GGUF model, or it is damaged'}: convert the model again with a llama.cpp of release ${nativeRelease} or older, or download it again`,
  );
}

function requireFile(path: string): void {
  // A NUL would cut the path short on its way through C.
  const found = path.includes('\0') ? undefined : statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new BlockAttentionError('MODEL_NOT_FOUND', `no file ${JSON.stringify(path)}`);
  if (!found.isFile()) throw new BlockAttentionError('MODEL_INVALID', `${path} is not a file`);
}
