/** Compiles the native library, or a program that uses it, for another platform with Zig. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  fast,
  here,
  libraryFlags,
  libraryName,
  perIsa,
  plain,
  plainFlags,
  variantsOf,
} from '../../packages/engine/native/recipe.mjs';

const run = promisify(execFile);

async function zig({ zig, cache }, argv) {
  try {
    await run(zig, argv, { cwd: here, env: { ...process.env, ...cache }, maxBuffer: 1 << 26 });
  } catch (error) {
    throw new Error(`zig ${argv.join(' ')}: ${error.stderr || error.message}`, { cause: error });
  }
}

/** All of `jobs`, as many at a time as there are cores. */
async function inTurn(jobs, work) {
  const rest = [...jobs];
  const one = async () => {
    for (let job = rest.shift(); job !== undefined; job = rest.shift()) await work(job);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, one));
}

const linking = {
  linux: ['-shared', '-Wl,-z,nodelete', '-Wl,--as-needed'],
  darwin: ['-dynamiclib', '-Wl,-install_name,@rpath/libblock_attention.dylib'],
  win32: ['-shared'],
};

/** The library of a platform, as the file `to`. */
export async function compileLibrary({ os, cpu, target }, to, tools) {
  const work = mkdtempSync(join(tmpdir(), 'block-attention-kernel-'));
  try {
    const jobs = [
      ...perIsa.flatMap((source) => variantsOf(source, cpu).map((variant) => ({ source, ...variant }))),
      ...plain.map((source) => ({ source, suffix: '', flags: plainFlags() })),
    ].map((job) => ({ ...job, object: join(work, `${job.source.replace(/\W/g, '-')}${job.suffix}.o`) }));
    await inTurn(jobs, ({ source, flags, object }) =>
      zig(tools, [
        'c++',
        '-target',
        target,
        ...libraryFlags(os),
        ...fast,
        '-Werror',
        // Of headers that an instruction set uses a part of.
        '-Wno-unused-function',
        ...flags,
        '-c',
        source,
        '-o',
        object,
      ]),
    );
    // By the C compiler: nothing of C++'s library is needed, and a symbol of it would be an error.
    const made = join(work, libraryName(os));
    await zig(tools, ['cc', '-target', target, '-s', ...linking[os], ...jobs.map(({ object }) => object), '-o', made]);
    copyFileSync(made, to);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A test program (packages/engine/native/test) that loads the library beside it. @returns its path */
export async function compileProgram(name, { target, os }, library, folder, tools) {
  const made = join(folder, name);
  await zig(tools, [
    'c++',
    '-target',
    target,
    ...libraryFlags(os),
    ...fast,
    `test/${name}.cpp`,
    library,
    '-Wl,-rpath,$ORIGIN',
    '-lpthread',
    '-o',
    made,
  ]);
  return made;
}
