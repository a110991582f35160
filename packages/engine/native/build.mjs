#!/usr/bin/env node
/**
 * Builds the attention kernel with the compiler at hand: once per ISA, linked into one library that chooses at run time.
 *
 *   node native/build.mjs              the library: native/build/libblock_attention.{so,dylib}
 *   node native/build.mjs --optional   the same at install: never fails, says in one line what is missing
 *   node native/build.mjs --check      builds nothing; exit status 0 when the library is up to date
 *   node native/build.mjs --test | --sanitize | --bench   executables: tests, tests under ASan + UBSan, benchmark
 *   CXX=aarch64-linux-gnu-g++ node native/build.mjs --arch=arm64   for another CPU, with a compiler for it
 *
 * BLOCK_ATTENTION_BUILD_DIR puts the results elsewhere. Needs nothing but Node. What is up to date (sources, flags, compiler) is not built again; a finished file takes its
 * name in one step, so a process that has the old one loaded, or loads it meanwhile, is not disturbed.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  fast,
  here,
  isasOf,
  libraryFlags,
  libraryName,
  optionalFlags,
  perIsa,
  plainFlags,
  plain as plainSources,
  variantsOf,
} from './recipe.mjs';

const run = promisify(execFile);
const output = process.env.BLOCK_ATTENTION_BUILD_DIR ?? join(here, 'build');
const library = libraryName(process.platform);
const common = libraryFlags(process.platform);
const sanitizers = [
  '-O1',
  '-g',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-fno-omit-frame-pointer',
];

const flags = process.argv.slice(2);
/** Of the CPU that will run the results, as Node names it. */
const arch = flags.find((flag) => flag.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch;

/** What can be built: sources for every ISA, plain sources, and how the parts are linked. */
const programs = ['random', 'contract', 'linear', 'experts', 'training'];
const kernel = { perIsa, plain: plainSources, flags: fast };
const products = {
  library: {
    ...kernel,
    files: [
      {
        name: library,
        plain: [],
        link: process.platform === 'darwin' ? ['-dynamiclib'] : ['-shared', '-Wl,--as-needed', '-Wl,-z,nodelete'],
      },
    ],
  },
  test: {
    ...kernel,
    files: programs.map((name) => ({
      name,
      plain: [`test/${name}.cpp`],
      link: [],
    })),
  },
  sanitize: {
    ...kernel,
    flags: sanitizers,
    files: programs.map((name) => ({
      name: `${name}-sanitized`,
      plain: [`test/${name}.cpp`],
      link: ['-fsanitize=address,undefined'],
    })),
  },
  bench: {
    ...kernel,
    perIsa: [...kernel.perIsa, 'bench/peak.cpp'],
    files: [{ name: 'bench', plain: ['bench/attention.cpp', 'bench/peak-dispatch.cpp'], link: [] }],
  },
};

/** The first compiler that answers, as a command with its arguments, and how it names itself. */
async function findCompiler() {
  if (process.platform === 'win32') throw new Error('the kernel is not built on Windows');
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  for (const candidate of candidates) {
    const command = candidate.split(' ').filter(Boolean);
    try {
      const { stdout } = await run(command[0], [...command.slice(1), '--version']);
      return { command, version: stdout };
    } catch {
      // Not installed, or not a compiler: the next one.
    }
  }
  throw new Error(`no C++ compiler found (tried ${candidates.join(', ')}); install one or set CXX`);
}

function sources(folder) {
  return readdirSync(join(here, folder))
    .sort()
    .map((name) => join(folder, name));
}

function fingerprint(kind, compiler) {
  const hash = createHash('sha256')
    .update(JSON.stringify([kind, products[kind], common, compiler]))
    .update(readFileSync(join(here, 'recipe.mjs')));
  const folders = kind === 'library' ? ['src'] : ['src', 'test', 'bench'];
  for (const file of folders.flatMap(sources)) hash.update(file).update(readFileSync(join(here, file)));
  return hash.digest('hex');
}

function isCurrent(kind, stamp) {
  const file = join(output, `${kind}.stamp`);
  if (!products[kind].files.every(({ name }) => existsSync(join(output, name)))) return false;
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

async function compile(compiler, args) {
  try {
    await run(compiler.command[0], [...compiler.command.slice(1), ...args], { cwd: here, maxBuffer: 1 << 26 });
  } catch (error) {
    const lines = String(error.stderr ?? error.message).split('\n');
    const first = lines.find((line) => line.includes('error')) ?? lines[0];
    throw new Error(`${compiler.command.join(' ')} failed: ${first}`, { cause: error });
  }
}

/** Instruction sets that the compiler has no flag for. */
async function unknownTo({ command: [program, ...first] }) {
  const refused = [];
  for (const [isa, flag] of Object.entries(optionalFlags[arch] ?? {})) {
    const argv = [...first, flag, '-E', '-x', 'c++', 'src/export.h'];
    await run(program, argv, { cwd: here }).catch(() => refused.push(isa));
  }
  return refused;
}

async function build(kind, compiler, stamp) {
  const product = products[kind];
  const without = await unknownTo(compiler);
  const work = join(output, `${kind}-${process.pid}.tmp`);
  mkdirSync(work, { recursive: true });
  try {
    const object = (source, suffix) => join(work, `${source.replace(/\W/g, '-')}${suffix}.o`);
    const jobs = product.perIsa.flatMap((source) =>
      variantsOf(source, arch, without).map(({ suffix, flags }) => ({
        source,
        object: object(source, suffix),
        flags: [...common, ...product.flags, ...flags],
      })),
    );
    const shared = [...jobs.map((job) => job.object), ...product.plain.map((source) => object(source, ''))];
    const plain = [...product.plain, ...product.files.flatMap((file) => file.plain)];
    for (const source of plain)
      jobs.push({ source, object: object(source, ''), flags: [...common, ...product.flags, ...plainFlags(without)] });
    await Promise.all(jobs.map((job) => compile(compiler, [...job.flags, '-c', job.source, '-o', job.object])));
    for (const { name, plain, link } of product.files) {
      const objects = [...shared, ...plain.map((source) => object(source, ''))];
      await compile(compiler, [...objects, ...link, '-lpthread', '-o', join(work, name)]);
      renameSync(join(work, name), join(output, name));
    }
    writeFileSync(join(work, 'stamp'), stamp);
    renameSync(join(work, 'stamp'), join(output, `${kind}.stamp`));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const known = ['--optional', '--check', '--test', '--sanitize', '--bench', '--arch'];
const kind = ['test', 'sanitize', 'bench'].find((name) => flags.includes(`--${name}`)) ?? 'library';
try {
  const unknown = flags.find((flag) => !known.includes(flag.replace(/=.*/, '')));
  if (unknown !== undefined) throw new Error(`unknown option ${unknown}; known are ${known.join(', ')}`);
  const compiler = await findCompiler();
  const stamp = fingerprint(kind, compiler);
  const current = isCurrent(kind, stamp);
  if (flags.includes('--check')) {
    console.log(
      `native kernel: ${kind} is ${current ? 'up to date' : 'not built, or out of date: node native/build.mjs'}`,
    );
    process.exitCode = current ? 0 : 1;
  } else if (!current) {
    const start = performance.now();
    await build(kind, compiler, stamp);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`native kernel: built ${kind} for ${Object.keys(isasOf(arch)).join(', ')} in ${seconds} s`);
  }
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  if (flags.includes('--optional')) {
    console.log(`native kernel: not built, attention takes the portable path: ${reason}`);
  } else {
    console.error(`native kernel: ${reason}`);
    if (error.cause?.stderr) console.error(error.cause.stderr);
    process.exitCode = 1;
  }
}
