/** Runs the native test programs against a compiled library, where this machine can: itself, with musl's loader, emulated. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { compileProgram } from './compile.mjs';
import { run } from './tools.mjs';

const musl = { x64: '/lib/ld-musl-x86_64.so.1', arm64: '/lib/ld-musl-aarch64.so.1' };
const emulator = ['qemu-aarch64', '-cpu', 'max', '-L', '/usr/aarch64-linux-gnu'];

/** How a program of the platform is started here, or why it cannot be. */
function launcher({ os, cpu, libc }) {
  if (os !== process.platform) return { reason: `this machine is ${process.platform}` };
  if (libc === 'musl') {
    if (cpu === process.arch && existsSync(musl[cpu])) return { command: [musl[cpu]] };
    return { reason: `there is no ${musl[cpu]}` };
  }
  if (cpu === process.arch) return { command: [] };
  const found = cpu === 'arm64' && spawnSync(emulator[0], ['--version'], { stdio: 'ignore' }).status === 0;
  if (!found || !existsSync(emulator.at(-1)))
    return { reason: 'qemu-aarch64 or the C library of ARM64 is not installed' };
  return { command: emulator, emulated: true };
}

/** @returns a line per program, or one that says why none ran. @throws when one fails */
export async function runPrograms(platform, library, tools) {
  const { command, emulated, reason } = launcher(platform);
  if (command === undefined) return [`not run: ${reason}`];
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-programs-'));
  const lines = [];
  try {
    const beside = join(folder, basename(library));
    copyFileSync(library, beside);
    const cases = emulated ? [10, 40, 40, 20] : [200, 200, 200, 100];
    const programs = {
      contract: [],
      random: [cases[0]],
      linear: [cases[1]],
      experts: [cases[2]],
      training: [cases[3]],
    };
    for (const name of Object.keys(programs)) await compileProgram(name, platform, beside, folder, tools);
    const isas = platform.cpu === 'x64' ? ['', 'avx512_256', 'avx2', 'avx_vnni', 'baseline'] : [''];
    // Of each program that has integer products, by build.
    const digests = { linear: new Map(), experts: new Map() };
    for (const isa of isas) {
      for (const [name, count] of Object.entries(programs)) {
        const argv = [...command, join(folder, name), ...count.map(String)];
        const line = run(argv, { env: { ...process.env, BA_ISA: isa } })
          .split('\n')
          .at(-1);
        lines.push(`${name}: ${line}`);
        const [, build, digest] = /^(\S+): .*integers (\S+)$/.exec(line) ?? [];
        if (digest !== undefined && build !== 'baseline' && build !== 'neon') digests[name].set(build, digest);
      }
    }
    for (const [name, found] of Object.entries(digests)) {
      if (new Set(found.values()).size < 2) continue;
      throw new Error(`integer products of ${name} differ: ${JSON.stringify(Object.fromEntries(found))}`);
    }
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
