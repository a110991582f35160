import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';
import { ttftReport, ttftRow } from '../../../tests/support/ttft-report.ts';
import { ttftFooter, ttftHeader, ttftLine } from '../terminal/ttft-card.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.dispose]());

const bench = (...more: string[]) =>
  workspace.run([
    'bench',
    'ttft',
    '--model',
    workspace.model,
    '--device',
    'cpu',
    '--threads',
    '1',
    '--runs',
    '1',
    ...more,
  ]);

describe('bench ttft', () => {
  it('gives rows as JSON, the card on stderr, and the curves', async () => {
    const svg = workspace.path('ttft.svg');
    const { code, json, stdout, stderr } = await bench(
      '--lengths',
      '200,50',
      '--block-tokens',
      '64',
      '--json',
      '--svg',
      svg,
    );
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    const { rows, machine, model } = json();
    const figures = { fullMs: expect.any(Number), blockMs: expect.any(Number), blockFlops: expect.any(Number) };
    expect(rows).toMatchObject([
      { tokens: 50, ...figures, fullFlops: expect.any(Number) },
      { tokens: 200, ...figures },
    ]);
    expect(machine).toMatchObject({ cores: expect.any(Number), node: process.version });
    expect(model).toMatchObject({ name: 'model', layers: 3 });
    expect(stderr).toMatch(/^Machine /m);
    expect(readFileSync(svg, 'utf8')).toContain('Block-Attention');
  });

  it.each([
    [['--lengths', '50,x'], '--lengths is "x"'],
    [['--lengths', '0'], '--lengths is "0"'],
    [['--runs', '1.5'], '--runs is "1.5"'],
    [['--svg', 'no/such/folder/x.svg'], '--svg cannot be written'],
    [['--lengths', '60'], 'a prompt of 60 tokens has no room'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await bench(...more);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

it('sets the card at 80 columns', () => {
  const rows = [
    ttftRow(50, 170, 165),
    ttftRow(4096, 17_500, 230),
    ttftRow(16_384, 260_000, 330),
    ttftRow(32_768, null, 420),
  ];
  const card = [...ttftHeader(), ...rows.map(ttftLine), ...ttftFooter(ttftReport(rows), 'example')];
  expect(card.join('\n')).toMatchInlineSnapshot(`
    "                                          paper     full    block
     tokens        full     block     time     time    FLOPs    FLOPs    FLOPs
    --------------------------------------------------------------------------
         50      170 ms    165 ms   -2.9 %    0.0 %   1.0e10   1.0e10    0.0 %
       4096      17.5 s    230 ms  -98.7 %  -91.8 %   8.2e11   1.0e10  -98.8 %
      16384  4 min 20 s    330 ms -99.87 %  -97.8 %   3.3e12   1.0e10 -99.69 %
      32768           -    420 ms        -  -98.8 %   6.6e12   1.0e10 -99.85 %

    block: all passages cached; time from the call to the first token, medians.
    full: the whole prompt, by the faster of this engine and llama.cpp:
         50  engine 204 ms, llama.cpp 170 ms with flash attention
       4096  engine 21.0 s, llama.cpp 17.5 s with flash attention
      16384  engine 5 min 12 s, llama.cpp 4 min 20 s with flash attention
    FLOPs: to the first token, attention included.
      Matrices alone, as the paper counts: 6.2e12 to 9.0e9 at 32768 (-99.86 %).
      Paper, 8B model: 4.9e14 to 7.5e11 at 32768 (-99.85 %),
      3638 to 45 ms on a GPU (-98.8 %), loading not counted.

    Machine  Example CPU, 2 cores, 16.0 GiB, linux x64, Node v20.20.0
    Model    example (/models/example.gguf)
    Setting  2 threads, keys and values f16, portable attention, blocks of 512 tokens
             prompts longer than the trained 8,192 tokens: random words, time alone"
  `);
  // The machine and the model name themselves.
  const ours = card.filter((line) => !/^(Machine|Model|Setting) /.test(line));
  for (const line of ours) expect(line.length, line).toBeLessThanOrEqual(80);
});
