/**
 * transformers.js in a process of its own, for the benchmarks: reads tokens and generates, from nothing or with the keys
 * and values of earlier tokens kept in memory.
 */
import { basename, dirname } from 'node:path';
import { AutoModelForCausalLM, DynamicCache, env, Tensor } from '@huggingface/transformers';
import { answerTasks } from '../answer-tasks.mjs';

const [folder, dtype, threads] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const model = await AutoModelForCausalLM.from_pretrained(basename(folder), {
  device: 'cpu',
  dtype,
  local_files_only: true,
  session_options: { intraOpNumThreads: Number(threads), interOpNumThreads: 1 },
});

const ids = (tokens) => new Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]);
const ones = (count) => new Tensor('int64', new BigInt64Array(count).fill(1n), [1, count]);
const run = (tokens, past, count) =>
  model.generate({
    input_ids: ids(tokens),
    attention_mask: ones(tokens.length),
    past_key_values: past,
    min_new_tokens: count,
    max_new_tokens: count,
    do_sample: false,
    return_dict_in_generate: true,
  });

const kept = new Map();
answerTasks({
  /** Keeps the state after these tokens. */
  async keep({ tokens, name }) {
    const { past_key_values } = await run(tokens, undefined, 1);
    kept.set(name, { tokens, tensors: { ...past_key_values } });
  },
  /** From a kept state, or from nothing, to the `count`th token. The library is given the tokens of the state again. */
  async generate({ tokens, name, count }) {
    const { tokens: before, tensors } = kept.get(name) ?? { tokens: [] };
    // generate() puts the longer states into the cache it is given: the kept ones need a new one every time.
    await run([...before, ...tokens], tensors && new DynamicCache(tensors), count);
  },
});
