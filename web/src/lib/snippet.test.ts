import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { ChatBody } from '../api/types.ts';
import { snippet } from './snippet.ts';

const body: ChatBody = {
  model: 'small',
  messages: [{ role: 'user', content: "What's $HOME `here`: true?\n: false," }],
  documents: [{ title: 'It\'s "quoted"', text: 'back\\slash\nand line\n: true,\n' }],
  max_tokens: 12,
  stream: true,
  stream_options: { include_usage: true },
  block_attention: { mode: 'block', prefix_reuse: false },
};

/** The last argument a shell makes of the command. */
function argument(command: string): string {
  return execFileSync('bash', ['-c', `curl() { printf %s "\${@: -1}"; }\n${command}`], { encoding: 'utf8' });
}

describe('snippet', () => {
  it('survives the shell', () => {
    expect(JSON.parse(argument(snippet('curl', body, 'http://127.0.0.1:1', false)))).toEqual(body);
  });

  it('is Python, with the same values', () => {
    const code = snippet('python', body, 'http://127.0.0.1:1', true);
    const shim = [
      'import sys, types, json, os',
      'os.environ["BLOCK_ATTENTION_KEY"] = "k"',
      'class OpenAI:',
      '    def __init__(self, **kw):',
      '        self.chat = self',
      '        self.completions = self',
      '    def create(self, **kw):',
      '        print(json.dumps(kw))',
      '        return []',
      'sys.modules["openai"] = types.SimpleNamespace(OpenAI=OpenAI)',
      code,
    ].join('\n');
    const {
      extra_body,
      stream_options: _,
      ...rest
    } = JSON.parse(execFileSync('python3', ['-'], { input: shim, encoding: 'utf8' }));
    const { stream_options: __, ...expected } = body;
    expect({ ...rest, ...extra_body }).toEqual(expected);
  });

  it('never holds the key, and says where it goes', () => {
    expect(snippet('curl', body, 'http://127.0.0.1:1', true)).toContain('Bearer $BLOCK_ATTENTION_KEY');
    expect(snippet('typescript', body, 'http://127.0.0.1:1', false)).toContain("apiKey: 'none'");
  });
});
