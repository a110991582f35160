/** `--adapter` on the commands that load a model. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../tests/support/cli/cli-workspace.ts';
import { writeRandomAdapter } from '../../tests/support/models/random-adapter.ts';

let workspace: Workspace;
let adapter: string;
let data: string;
beforeAll(async () => {
  workspace = await Workspace.open();
  [adapter, data] = [workspace.path('lora.gguf'), workspace.path('questions.jsonl')];
  await writeRandomAdapter(adapter, workspace.model, 2);
  const question = { question: 'when?', answers: ['1911'], passages: [{ text: 'the bridge was opened in 1911.' }] };
  writeFileSync(data, `${JSON.stringify(question)}\n`);
});
afterAll(() => workspace[Symbol.dispose]());

const compute = () => ['--model', workspace.model, '--device', 'cpu', '--threads', '1'];
const statusesOf = (result: Record<string, unknown>) =>
  (result.blocks as { status: string }[]).map(({ status }) => status);

describe('--adapter', () => {
  it('ask finds what encode stored with it, and nothing that was stored without it', async () => {
    const plain = (await workspace.ask('--json')).json();
    expect(plain.adapter).toBeNull();
    const stored = ['--passages', workspace.passages, '--store', workspace.store, '--adapter', adapter, '--json'];
    const encoded = (await workspace.run(['encode', ...compute(), ...stored])).json();
    expect(encoded).toMatchObject({ encoded: 4, present: 0 });
    const adapted = (await workspace.ask('--adapter', adapter, '--json')).json();
    expect(adapted.adapter).toMatchObject({ path: adapter, scale: 1, rank: 4 });
    expect(statusesOf(adapted)).toEqual(['hit', 'hit', 'hit', 'hit']);
    expect(adapted.answer).not.toBe(plain.answer);
    const scaled = (await workspace.ask('--adapter', adapter, '--adapter-scale', '0.25', '--json')).json();
    expect(statusesOf(scaled)).toEqual(['miss', 'miss', 'miss', 'miss']);
    expect(statusesOf((await workspace.ask('--json')).json())).toEqual(['hit', 'hit', 'hit', 'hit']);
  });

  it('eval and verify are about the adapted model', async () => {
    const rest = [...compute(), '--max-tokens', '4', '--data', data, '--json'];
    const resume = ['--resume', workspace.path('answers.jsonl')];
    expect((await workspace.run(['eval', ...rest, ...resume])).json()).toMatchObject({ reused: 0 });
    const adapted = (await workspace.run(['eval', ...rest, ...resume, '--adapter', adapter])).json();
    expect(adapted).toMatchObject({ reused: 0, model: { adapter: { rank: 4 } } });
    const card = (await workspace.run(['eval', ...rest.slice(0, -1), '--adapter', adapter, '--adapter-scale', '2']))
      .stdout;
    expect(card).toMatch(/\nAdapter {2}.*lora\.gguf, rank 4, scaled by 2\n/);
    const verified = (await workspace.run(['verify', ...rest, '--beside', '--adapter', adapter])).json();
    expect(verified).toMatchObject({
      identity: { adapter: expect.stringMatching(/^[0-9a-f]{64}$/) },
      besideAt: `${adapter}.verdict.json`,
    });
    const auto = (...more: string[]) => workspace.ask('--mode', 'auto', ...more);
    expect((await auto('--adapter', adapter)).stderr).toMatch(/^full, since verdict full/m);
    expect((await auto()).stderr).toMatch(/^full, since no verdict on this model/m);
  });

  it('bench ttft measures it, and llama.cpp with it', async () => {
    const argv = ['bench', 'ttft', ...compute(), '--lengths', '192', '--question-tokens', '64', '--runs', '1'];
    const { code, json } = await workspace.run([...argv, '--adapter', adapter, '--json']);
    expect(code).toBe(0);
    expect(json()).toMatchObject({ model: { adapter: { path: adapter } }, rows: [{ llamaCppMs: expect.any(Number) }] });
  });

  it('serve takes it from the environment or a file', async () => {
    const served = async (argv: readonly string[], env: Record<string, string>) => {
      const ending = new AbortController();
      let models: Promise<unknown> | undefined;
      const running = workspace.run(
        ['serve', ...compute(), '--port', '0', '--log-level', 'silent', '--json', ...argv],
        {
          env,
          signal: ending.signal,
          onStdout: (text) => {
            const { url } = JSON.parse(text) as { url: string };
            models = fetch(`${url}/v1/models`)
              .then((response) => response.json())
              .finally(() => ending.abort());
          },
        },
      );
      expect((await running).stderr).not.toMatch(/error/i);
      return models;
    };
    const config = workspace.path('server.json');
    writeFileSync(config, JSON.stringify({ adapter, 'adapter-scale': 0.5 }));
    const about = (scale: number) => ({ data: [{ block_attention: { adapter: { rank: 4, scale } } }] });
    expect(await served([], { BLOCK_ATTENTION_ADAPTER: adapter })).toMatchObject(about(1));
    expect(await served(['--config', config], {})).toMatchObject(about(0.5));
  });

  it.each<[readonly string[], RegExp, number]>([
    [['--adapter-scale', 'nan'], /--adapter-scale is "nan": give a number/, 2],
    [['--adapter-scale', '2'], /adapterScale is 2 without an adapter/, 2],
    [['--adapter', 'nowhere.gguf'], /adapter nowhere\.gguf cannot be opened/, 1],
    [['--adapter', new URL(import.meta.url).pathname], /adapter\.test\.ts is not a GGUF file/, 1],
  ])('%j is refused', async (argv, message, expected) => {
    const { code, stderr } = await workspace.ask(...argv);
    expect(stderr).toMatch(message);
    expect(code).toBe(expected);
  });
});
