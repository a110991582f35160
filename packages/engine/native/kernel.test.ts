/**
 * The kernel's own tests are C++ programs: random problems against double precision, and the interface's promises.
 * Here they are built and run for every ISA the machine has, plainly and under AddressSanitizer and UBSan.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';

const here = dirname(fileURLToPath(import.meta.url));
const isas =
  process.arch === 'x64'
    ? ['avx512', 'avx512_256', 'avx2', 'baseline']
    : process.arch === 'arm64'
      ? ['neon']
      : ['baseline'];

function node(script: string, args: readonly string[], environment: Record<string, string> = {}) {
  return spawnSync(process.execPath, [join(here, script), ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
}

function program(name: string, args: readonly string[], isa: string) {
  const result = spawnSync(join(here, 'build', name), args, { encoding: 'utf8', env: { ...process.env, BA_ISA: isa } });
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
}

const missing = /no C\+\+ compiler|not built on Windows/.exec(node('build.mjs', ['--test']).stderr)?.[0];
if (missing !== undefined) console.log(`native kernel tests skipped: ${missing}`);

describe.skipIf(missing !== undefined).each([
  { suffix: '', option: '--test', cases: 200 },
  { suffix: '-sanitized', option: '--sanitize', cases: 40 },
])('native kernel, programs built with $option', ({ suffix, option, cases }) => {
  beforeAll(() => {
    const built = node('build.mjs', [option]);
    expect(built.stderr).toBe('');
    expect(built.status).toBe(0);
  }, 300_000);

  const programs = [
    { name: 'random', what: 'random problems agree with double precision', count: cases },
    { name: 'linear', what: 'linear layers agree with double precision, whatever the rows and threads', count: cases },
    { name: 'experts', what: 'experts have the bits of the linear layers over their rows', count: cases },
    { name: 'training', what: 'training nodes agree with double precision', count: cases / 2 },
  ];
  describe.each(isas)('%s', (isa) => {
    test.for([...programs, { name: 'contract', what: 'the contract holds', count: 0 }])(
      '$what',
      ({ name, count }, { skip }) => {
        const contract = program(`contract${suffix}`, [], isa).text;
        // A machine without the ISA runs its best one instead, which has its own turn.
        skip(!contract.startsWith(`${isa}:`), `this machine runs ${contract.split(':')[0]}`);
        const { status, text } = program(`${name}${suffix}`, count === 0 ? [] : [String(count)], isa);
        expect(text).toMatch(count === 0 ? /the contract holds/ : /cases, worst relative error/);
        expect(status).toBe(0);
      },
      120_000,
    );
  });
});

test.skipIf(missing !== undefined).each([
  { suffix: '', option: '--test', cases: 120 },
  { suffix: '-sanitized', option: '--sanitize', cases: 20 },
])(
  'integer products have the same bits whatever the instruction set, programs built with $option',
  ({ suffix, option, cases }) => {
    expect(node('build.mjs', [option]).status).toBe(0);
    const builds = new Map<string, string>();
    for (const isa of [...isas, 'avx512_vnni', 'avx512_bf16', 'avx_vnni']) {
      // These have the same bits in every build as in the linear layers.
      const experts = program(`experts${suffix}`, [String(cases)], isa);
      expect(experts.status, experts.text).toBe(0);
      const { status, text } = program(`linear${suffix}`, [String(cases)], isa);
      expect(status, text).toBe(0);
      const [, name = '', digest = ''] = /^(\S+): .*integers (\S+)$/m.exec(text) ?? [];
      expect(digest).toMatch(/^[0-9a-f]{16}$/);
      // These have no integer products of their own.
      if (name !== 'baseline' && name !== 'neon') builds.set(name, digest);
    }
    expect(new Set(builds.values()).size).toBeLessThanOrEqual(1);
  },
  300_000,
);

describe('build.mjs', () => {
  const elsewhere = { CXX: 'no-such-compiler', BLOCK_ATTENTION_BUILD_DIR: join(here, 'build', 'never') };

  test('without a compiler an optional build succeeds and says so in one line', () => {
    const { status, stdout, stderr } = node('build.mjs', ['--optional'], elsewhere);
    expect(status).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^native kernel: not built, attention takes the portable path: .+\n$/);
  });

  test('without a compiler an explicit build fails', () => {
    const { status, stderr } = node('build.mjs', [], elsewhere);
    expect(status).toBe(1);
    expect(stderr).toMatch(/no-such-compiler|Windows/);
  });

  test('an unknown option is refused by name', () => {
    const { status, stderr } = node('build.mjs', ['--fast'], elsewhere);
    expect(status).toBe(1);
    expect(stderr).toContain('--fast');
  });
});
