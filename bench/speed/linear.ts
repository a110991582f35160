/**
 * What `--linear auto` measures: products of linear layers by the native kernel and by ggml, for types of weights and
 * lengths of rows. `npm run bench -- linear [--types Q4_0,Q8_0] [--inputs 576,2048] [--threads 2]`: 128 rows of a prompt;
 * with `--experts` those of experts, 128 rows of 4 each to 16 of them; with `--rows one` or `--rows few` what is decoded.
 */
import { parseArgs } from 'node:util';
import { Backend, nativeKernelState } from '@block-attention/engine/internal/ggml';
import { describeMachine } from '../../packages/engine/src/eval/ttft/machine.ts';
import { chooseLinear } from '../../packages/engine/src/model/weights/linear-choice.ts';
import { LinearTimer, linearMachine } from '../../packages/engine/src/model/weights/measure-linear.ts';
import { printResult, round } from '../support/harness.ts';

const { values } = parseArgs({
  options: {
    types: { type: 'string', default: 'F32,F16,BF16,Q4_0,Q4_1,Q5_0,Q5_1,Q8_0,Q4_K,Q5_K,Q6_K,MXFP4' },
    inputs: { type: 'string', default: '576,2048,8192' },
    threads: { type: 'string', default: '2' },
    experts: { type: 'boolean', default: false },
    rows: { type: 'string' },
  },
});
const threads = Number(values.threads);
const decoded = rowsOf(values.rows);
const backend = await Backend.open({ device: 'cpu', threads });
const { kernel, reason } = nativeKernelState();
if (kernel === undefined) throw new Error(reason);
/** Lengths of rows that k-quants come in. */
const fits = (type: string, inputs: number) => inputs % (type.endsWith('_K') ? 256 : 32) === 0;
const classes = values.types
  .split(',')
  .flatMap((type) =>
    values.inputs
      .split(',')
      .map((inputs) => ({ type, inputs: Number(inputs), experts: values.experts, rows: decoded })),
  )
  .filter(({ type, inputs }) => fits(type, inputs));
using timer = new LinearTimer(backend, kernel, true);
const decisions = await chooseLinear({ classes, time: timer.time, machine: linearMachine(backend, kernel, true) });
const rows = decisions.map(({ type, inputs, path, ms }) => ({
  type,
  inputs,
  'native ms': round(ms?.native ?? 0),
  'ggml ms': round(ms?.ggml ?? 0),
  'ggml / native': round((ms?.ggml ?? 0) / (ms?.native ?? 1)),
  chosen: path,
}));
const machine = describeMachine();
console.log(
  `linear${values.experts ? ', experts' : ''}${decoded === undefined ? '' : `, ${decoded} decoded`} · ${machine.cpu}, ${threads} threads, Node ${machine.node}, native ${kernel.linearIsa}`,
);
console.table(rows);
printResult({ bench: 'linear', experts: values.experts, decoded, machine, isa: kernel.linearIsa, threads, rows });
process.exit(0);

function rowsOf(text: string | undefined): 'one' | 'few' | undefined {
  if (text === undefined || text === 'one' || text === 'few') return text;
  throw new Error(`--rows is ${text}: use one or few`);
}
