import { describe, expect, it } from 'vitest';
import { Output } from './output.ts';

function open(options: { json?: boolean; tty?: boolean; env?: Record<string, string> }) {
  const streams = { stdout: '', stderr: '' };
  const output = new Output(
    {
      stdin: (async function* () {})(),
      stdout: { isTTY: options.tty, write: (text) => (streams.stdout += text) },
      stderr: { isTTY: options.tty, write: (text) => (streams.stderr += text) },
      env: options.env ?? {},
      signal: new AbortController().signal,
    },
    options,
  );
  return { output, streams };
}

function use(output: Output): void {
  output.print(output.bold('table'));
  output.stream('answer');
  output.note('cost');
  output.result({ text: 'a\nb' });
}

describe('Output', () => {
  it('keeps results and remarks apart', () => {
    const { output, streams } = open({});
    use(output);
    expect(streams).toEqual({ stdout: 'table\nanswer', stderr: 'cost\n' });
  });

  it('with --json leaves one line on stdout', () => {
    const { output, streams } = open({ json: true });
    use(output);
    expect(streams).toEqual({ stdout: '{"text":"a\\nb"}\n', stderr: 'table\ncost\n' });
  });

  it('colours for people only, and not with NO_COLOR', () => {
    expect(open({ tty: true }).output.bold('x')).toBe('\u001b[1mx\u001b[0m');
    expect(open({ tty: false }).output.bold('x')).toBe('x');
    expect(open({ tty: true, env: { NO_COLOR: '1' } }).output.bold('x')).toBe('x');
    expect(open({ tty: true, env: { TERM: 'dumb' } }).output.bold('x')).toBe('x');
  });

  it('lets no answer steer the terminal, and leaves it as it is elsewhere', () => {
    const hostile = 'a\u001b]0;title\u0007\u009b31m\tb\n';
    const terminal = open({ tty: true });
    terminal.output.stream(hostile);
    expect(terminal.streams.stdout).toBe('a]0;title31m\tb\n');
    const file = open({});
    file.output.stream(hostile);
    expect(file.streams.stdout).toBe(hostile);
  });
});
