import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { capture } from '../../../tests/support/cli/cli-capture.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The settings that `serve --check` prints, by name. */
async function check(argv: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr, json } = await capture(['serve', '--check', '--json', ...argv], { env });
  if (code !== 0) return { code, message: stderr, stdout };
  const { settings } = json() as { settings: { name: string; value: string; source: string }[] };
  return { code, settings: new Map(settings.map(({ name, value, source }) => [name, `${source} ${value}`])) };
}

describe('settings of serve', () => {
  const yaml = file(
    'server.yaml',
    'model: smollm2-135m\nport: 9000\nmax-body: 2MiB\ndeadline: 90s\napi-key: [first-key=a, second-key=b]\nstore: false\nrepack: false\nshadow: 0.01\nshared: redis://user:word@host\n',
  );

  it('come from a flag, else the environment, else the file, else their default', async () => {
    const env = { BLOCK_ATTENTION_PORT: '9001', BLOCK_ATTENTION_MAX_QUEUE: '0', BLOCK_ATTENTION_MODEL: '' };
    const { settings } = await check(['--config', yaml, '--port', '9002'], env);
    expect(settings?.get('port')).toBe('flag 9002');
    expect(settings?.get('max-queue')).toBe('environment 0');
    expect(settings?.get('model')).toBe('file "smollm2-135m"');
    expect(settings?.get('max-body')).toBe('file 2097152');
    expect(settings?.get('deadline')).toBe('file 90000');
    expect(settings?.get('store')).toBe('file false');
    expect(settings?.get('repack')).toBe('file false');
    expect(settings?.get('shadow')).toBe('file 0.01');
    expect(settings?.get('host')).toBe('default "127.0.0.1"');
    expect((await check([], env)).settings?.get('port')).toBe('environment 9001');
  });

  it('never print keys, tokens or addresses with passwords', async () => {
    const { stdout, stderr } = await capture(['serve', '--check', '--config', yaml, '--metrics-token', 'tok'], {
      env: { BLOCK_ATTENTION_STORE_KEY: '/run/secrets/key' },
    });
    expect(stdout).toMatch(/api-key +file +\(set\)/);
    for (const secret of ['first-key', 'second-key', 'word', 'tok"']) expect(stdout + stderr).not.toContain(secret);
  });

  it('can be JSON, several keys come from the environment as words', async () => {
    const json = file('server.json', JSON.stringify({ model: 'm.gguf', 'max-running': 4, mode: 'block' }));
    const { settings } = await check(['--config', json], { BLOCK_ATTENTION_API_KEY: 'key-one=a  key-two=b' });
    expect(settings?.get('max-running')).toBe('file 4');
    expect(settings?.get('mode')).toBe('file "block"');
    expect(settings?.get('api-key')).toBe('environment (set)');
  });

  it('name origins and hosts, each checked before anything is loaded', async () => {
    const list = file('cors.yaml', 'cors: [https://app.example, "http://localhost:3000/"]\nallowed-host: BA.example\n');
    const { settings } = await check(['--config', list]);
    expect(settings?.get('cors')).toBe('file ["https://app.example","http://localhost:3000"]');
    expect(settings?.get('allowed-host')).toBe('file ["ba.example"]');
    const env = { BLOCK_ATTENTION_CORS: 'https://a.example *', BLOCK_ATTENTION_ALLOWED_HOST: 'a.example b.example:81' };
    const fromEnvironment = await check([], env);
    expect(fromEnvironment.settings?.get('cors')).toBe('environment ["https://a.example","*"]');
    expect(fromEnvironment.settings?.get('allowed-host')).toBe('environment ["a.example","b.example:81"]');
    expect((await check(['--cors', 'app.example'])).message).toMatch(/"app\.example" is not an origin/);
    expect((await check(['--allowed-host', 'https://a.example'])).message).toMatch(/is not a host name/);
  });

  it.each([
    ['unknown name', 'a.yaml', 'prot: 1\n', /a\.yaml: prot is not a setting: use .*port/],
    ['wrong type', 'b.yaml', 'port: { a: 1 }\n', /b\.yaml: port: give a text, a number/],
    [
      'bad number',
      'c.yaml',
      'max-running: -1\n',
      /c\.yaml: max-running: --max-running is "-1": give a whole number of at least 1/,
    ],
    ['bad size', 'd.yaml', 'max-body: lots\n', /d\.yaml: max-body: --max-body is "lots": give bytes such as/],
    ['bad choice', 'e.yaml', 'mode: fast\n', /e\.yaml: mode: .*auto, block, full/],
    ['a list', 'f.yaml', 'port: [a, b]\n', /f\.yaml: port: give one value/],
    ['bad switch', 'g.yaml', 'repack: maybe\n', /g\.yaml: repack: give true or false/],
    ['no object', 'h.json', '[1]', /h\.json: the file/],
    ['no JSON', 'i.json', '{"api-key": "secret-key', /i\.json is not JSON( \(line 1, column \d+\))?: give/],
    ['no YAML', 'j.yaml', 'a: [', /j\.yaml is not YAML \(line 1, column 5\): give/],
  ])('are refused with the field: %s', async (_, name, text, message) => {
    const result = await check(['--config', file(name, text)]);
    expect(result.code).toBe(2);
    expect(result.message).toMatch(message);
    expect(result.message).not.toContain('secret-key');
  });

  it('are refused with the place of a mistake in the file, and nothing of its text', async () => {
    for (const [name, text, line] of [
      ['k.yaml', 'port: 1\napi-key: "secret-key\nhost: x\n', /line \d+, column \d+/],
      ['l.yaml', 'port: 1\n\tsecret-key: 2\n', /line 2, column/],
      ['m.json', '{\n  "port": 1,\n  secret-key\n}', /line 3, column 3/],
      ['n.json', '{\n"port": 1', /line 2, column/],
    ] as const) {
      const { code, message } = await check(['--config', file(name, text)]);
      expect([name, code]).toEqual([name, 2]);
      expect(message).toMatch(line);
      expect(message).not.toContain('secret');
    }
  });

  it('protect the verdict that a model comes with', async () => {
    const { code, stderr } = await capture(['verify', '--beside', '--data', 'questions.jsonl']);
    expect(code).toBe(2);
    expect(stderr).toContain('--beside would replace the verdict that embedded comes with');
  });

  it.each([
    [['--into', '/dev/null/verdicts'], '--into is /dev/null/verdicts, which cannot be written'],
    [['--into', '.', '--adapter', 'a.gguf'], '--into is for models'],
    [['--into', '.', '--policy', 'plain,anchor:file=a.txt'], 'policy anchor:file=a.txt names a file of this machine'],
  ])('say before hours of measuring what would not be kept: %j', async (flags, message) => {
    const { code, stderr } = await capture(['verify', '--data', 'questions.jsonl', ...flags]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('say their defaults as people write them', async () => {
    const help = (await capture(['serve', '--help'])).stdout.replaceAll(/\s+/g, ' ');
    for (const text of ['30s', '256MiB', '2GiB', '8MiB', '5m', 'BLOCK_ATTENTION_MODEL, else reader'])
      expect(help).toContain(`(default: ${text})`);
    expect(help).not.toMatch(/30000|268435456/);
  });

  it('are refused from the environment and for a missing file or model, too', async () => {
    const result = await check([], { BLOCK_ATTENTION_DEADLINE: 'soon' });
    expect(result.message).toMatch(/BLOCK_ATTENTION_DEADLINE: --deadline is "soon"/);
    expect((await check(['--config', join(folder, 'nothing.yaml')])).message).toMatch(
      /--config .*nothing\.yaml cannot be read/,
    );
    expect((await check([])).settings?.get('port')).toBe('default 8787');
    expect((await check(['--memory', '1'])).message).toMatch(/--memory is "1": give at least 1048576 bytes/);
  });
});
