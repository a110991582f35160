/** libllama's sampler functions, bound once and typed. */
import koffi, { type KoffiFunc } from 'koffi';
import { library } from '../ffi/library.ts';
import { checkDefaults } from './llama-model.ts';

export interface SamplerCalls {
  /** An empty chain; free() frees its members too. */
  readonly chain: () => bigint;
  /** The chain takes ownership. */
  readonly add: (chain: bigint, sampler: bigint) => void;
  readonly apply: KoffiFunc<(sampler: bigint, candidates: bigint) => void>;
  readonly accept: KoffiFunc<(sampler: bigint, token: number) => void>;
  readonly reset: (sampler: bigint) => void;
  readonly free: (sampler: bigint) => void;
  readonly greedy: () => bigint;
  readonly dist: (seed: number) => bigint;
  readonly temperature: (t: number) => bigint;
  readonly topK: (k: number) => bigint;
  readonly topP: (p: number, keep: number) => bigint;
  readonly minP: (p: number, keep: number) => bigint;
  readonly penalties: (
    vocabulary: number,
    lastN: number,
    repeat: number,
    frequency: number,
    presence: number,
  ) => bigint;
  /** Null when the grammar does not parse. */
  readonly grammar: (vocab: bigint, text: string, root: string) => bigint | null;
}
let calls: SamplerCalls | undefined;

export function samplerCalls(): SamplerCalls {
  if (calls !== undefined) return calls;
  const { llama } = library();
  const bind = (signature: string) => llama.func(signature) as never;
  const chainParams = koffi.struct({ no_perf: 'bool' });
  const params = llama.func('llama_sampler_chain_default_params', chainParams, [])() as object;
  checkDefaults('llama_sampler_chain_params', params, { no_perf: true });
  const chainInit = llama.func('llama_sampler_chain_init', 'void *', [chainParams]);
  calls = {
    chain: () => chainInit(params) as bigint,
    add: bind('void llama_sampler_chain_add(void *chain, void *sampler)'),
    apply: bind('void llama_sampler_apply(void *sampler, void *candidates)'),
    accept: bind('void llama_sampler_accept(void *sampler, int32_t token)'),
    reset: bind('void llama_sampler_reset(void *sampler)'),
    free: bind('void llama_sampler_free(void *sampler)'),
    greedy: bind('void *llama_sampler_init_greedy(void)'),
    dist: bind('void *llama_sampler_init_dist(uint32_t seed)'),
    temperature: bind('void *llama_sampler_init_temp(float t)'),
    topK: bind('void *llama_sampler_init_top_k(int32_t k)'),
    topP: bind('void *llama_sampler_init_top_p(float p, size_t keep)'),
    minP: bind('void *llama_sampler_init_min_p(float p, size_t keep)'),
    penalties: bind(
      'void *llama_sampler_init_penalties(int32_t vocab, int32_t n, float repeat, float frequency, float presence)',
    ),
    grammar: bind('void *llama_sampler_init_grammar(void *vocab, const char *text, const char *root)'),
  };
  return calls;
}
