#!/usr/bin/env node
/**
 * Runs the tests of what is computed once per build of ggml that this CPU can load, and once per instruction set of
 * the native library: a machine stands in for the lesser ones.
 *
 *   node scripts/cpu-variants.mjs                        every pair worth a run: each build, each instruction set
 *   node scripts/cpu-variants.mjs x64:baseline haswell:avx2 own:own     the pairs named; `own` is the machine's choice,
 *                                                        `narrowest` the build that asks least of a CPU
 *   node scripts/cpu-variants.mjs --list                 what this machine can load
 *   node scripts/cpu-variants.mjs --quick …              the files that compare with a reference, not those that train
 *   node scripts/cpu-variants.mjs … -- tests/adapter.test.ts     these files instead
 *
 * Prints a line per run: tests passed, failed and skipped, seconds, and how much of its bound the comparison took that
 * came closest (tests/support/oracle/rounding.ts). Exit status 1 when a test failed. Needs `npm ci` and nothing else.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const quick = [
  'tests/full-mode.test.ts',
  'tests/adapter.test.ts',
  'packages/engine/src/ggml/llama/reference.test.ts',
  'packages/engine/src/ggml/native/native-kernel.test.ts',
];
const numerics = [
  ...quick,
  'tests/block-mode.test.ts',
  'tests/recompute.test.ts',
  'tests/embedded-model.test.ts',
  'packages/engine/src/ggml/llama/embedding-model.test.ts',
  'packages/engine/src/ggml/graph/quantize.test.ts',
  'packages/engine/src/engine/engine.test.ts',
  'packages/engine/src/engine/blocks/prefix-cache.test.ts',
  'packages/engine/src/engine/adapter.test.ts',
  'reproduce/placed-reader.test.ts',
  'packages/engine/src/eval/verify.test.ts',
  'src/rag/state/plan-state.test.ts',
  'src/server/api.test.ts',
  'src/cli/commands/ask.test.ts',
  'src/cli/commands/finetune.test.ts',
  'packages/engine/src/train/gradients.test.ts',
  'packages/engine/src/train/training-session.test.ts',
  'packages/engine/src/train/micro-run.test.ts',
  'packages/engine/src/train/finetune.test.ts',
];

/** What a process with these variables computes with: the names of both libraries, or why it cannot. */
const probe = `
const { loadLibrary, cpuVariants, library } = await import('./packages/engine/src/ggml/ffi/library.ts');
const { nativeKernelState } = await import('./packages/engine/src/ggml/native/native-kernel.ts');
try {
  await loadLibrary('cpu');
  const maps = process.platform === 'linux' ? (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8') : '';
  const variant = /ggml-cpu-([\\w.]+)\\.so/.exec(maps)?.[1];
  const { kernel } = nativeKernelState();
  console.log(JSON.stringify({ variant: variant ?? 'own', isa: kernel === undefined ? 'none' : /_(vnni|bf16)$/.test(kernel.linearIsa) ? kernel.linearIsa : kernel.isa, variants: cpuVariants(library().directory) }));
} catch (error) {
  console.log(JSON.stringify({ reason: error.message }));
}`;

function environment({ variant, isa }) {
  const env = { ...process.env };
  for (const [name, value] of [
    ['BLOCK_ATTENTION_CPU_VARIANT', variant],
    ['BA_ISA', isa],
  ]) {
    if (value === 'own') delete env[name];
    else env[name] = value;
  }
  return env;
}

function loaded(pair) {
  const argv = ['--import', 'tsx', '--input-type=module', '-e', probe];
  const { stdout, stderr } = spawnSync(process.execPath, argv, { cwd: root, encoding: 'utf8', env: environment(pair) });
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch {
    return { reason: stderr.trim().split('\n').at(-1) };
  }
}

const isas = {
  x64: ['baseline', 'avx2', 'avx_vnni', 'avx512_256', 'avx512', 'avx512_vnni', 'avx512_bf16'],
  arm64: ['neon'],
}[process.arch] ?? ['baseline'];

/** Builds from the narrowest to the widest, as far as a name tells; those that the CPU cannot run are left out. */
function loadable(own) {
  const order = ['x64', 'sse42', 'sandybridge', 'ivybridge', 'piledriver', 'haswell', 'skylakex', 'cannonlake'];
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  const variants = own.variants
    .toSorted((a, b) => place(a) - place(b))
    .filter((variant) => loaded({ variant, isa: 'own' }).variant === variant);
  return {
    variants: variants.length > 0 ? variants : ['own'],
    isas: isas.filter((isa) => loaded({ variant: 'own', isa }).isa === isa),
  };
}

/** Each build with one instruction set, going round through them: every one of both has a run. */
function everyPair(found) {
  const count = Math.max(found.variants.length, found.isas.length, 1);
  return Array.from({ length: count }, (_, i) => ({
    variant: found.variants[i % found.variants.length],
    isa: found.isas.length > 0 ? found.isas[i % found.isas.length] : 'own',
  }));
}

function runTests(pair, files) {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-variants-'));
  const report = join(folder, 'report.json');
  const ratios = join(folder, 'ratios');
  const start = performance.now();
  const argv = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...files];
  const workers = ['--maxWorkers', String(Math.min(2, availableParallelism()))];
  const { stderr } = spawnSync(process.execPath, [...argv, ...workers, '--reporter=json', `--outputFile=${report}`], {
    cwd: root,
    encoding: 'utf8',
    env: { ...environment(pair), BLOCK_ATTENTION_TEST_RATIOS: ratios },
    maxBuffer: 2 ** 28,
  });
  try {
    if (!existsSync(report)) throw new Error(`vitest wrote no report: ${stderr.trim().slice(-2000)}`);
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const used = existsSync(ratios)
      ? readFileSync(ratios, 'utf8')
          .split('\n')
          .map(Number.parseFloat)
          .filter((ratio) => ratio > 0)
      : [];
    return {
      passed: result.numPassedTests,
      failed: result.numFailedTests,
      skipped: result.numPendingTests,
      seconds: (performance.now() - start) / 1000,
      closest: Math.max(0, ...used),
      failures: result.testResults.flatMap(({ name, message, assertionResults }) => [
        ...(assertionResults.length === 0 ? [`${name}: ${message}`] : []),
        ...assertionResults
          .filter(({ status }) => status === 'failed')
          .map(
            ({ fullName, failureMessages }) =>
              `${fullName}: ${(failureMessages[0] ?? '').split('\n').slice(0, 2).join(' ')}`,
          ),
      ]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const split = process.argv.indexOf('--');
const argv = process.argv.slice(2, split < 0 ? undefined : split);
const files = split < 0 ? (argv.includes('--quick') ? quick : numerics) : process.argv.slice(split + 1);
const named = argv.filter((argument) => !argument.startsWith('--'));

const narrowest = { x64: 'x64', arm64: 'armv8.0_1' }[process.arch] ?? 'own';
const own = loaded({ variant: 'own', isa: 'own' });
if (own.variant === undefined) throw new Error(`the native libraries cannot be loaded: ${own.reason}`);
console.log(`${cpus()[0]?.model ?? process.arch}: by itself ggml-cpu-${own.variant}, native ${own.isa}`);
if (argv.includes('--list')) {
  const found = loadable(own);
  console.log(`ggml: ${found.variants.join(', ')}\nnative: ${found.isas.join(', ') || 'none'}`);
} else {
  const pairs =
    named.length === 0
      ? everyPair(loadable(own))
      : named.map((name) => {
          const [variant, isa] = name.split(':');
          return { variant: variant === 'narrowest' ? narrowest : variant || 'own', isa: isa || 'own' };
        });
  for (const pair of pairs) {
    const found = loaded(pair);
    const wanted = `${pair.variant}:${pair.isa}`;
    const given = (asked, got) => asked === 'own' || asked === got;
    if (!given(pair.variant, found.variant) || !given(pair.isa, found.isa)) {
      console.log(`${wanted}: not run, this machine gives ${found.reason ?? `${found.variant}:${found.isa}`}`);
      continue;
    }
    const result = runTests(pair, files);
    console.log(
      `ggml-cpu-${found.variant}, native ${found.isa}: ${result.passed} passed, ${result.failed} failed, ` +
        `${result.skipped} skipped in ${result.seconds.toFixed(0)} s; at most ${(100 * result.closest).toFixed(0)} % of a bound`,
    );
    for (const failure of result.failures) console.log(`  ${failure}`);
    if (result.failed > 0 || result.failures.length > 0) process.exitCode = 1;
  }
}
