import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { reportError } from './errors.ts';

function report(error: unknown, options: { json?: boolean; env?: Record<string, string>; aborted?: boolean } = {}) {
  let stdout = '';
  let stderr = '';
  const io = {
    stdin: (async function* () {})(),
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    env: options.env ?? {},
    signal: options.aborted ? AbortSignal.abort() : new AbortController().signal,
  };
  const code = reportError(error, io, { json: options.json ?? false });
  return { code, stdout, stderr };
}

describe('reportError', () => {
  it('tells by the exit code whose turn it is', () => {
    expect(report(new BlockAttentionError('EMPTY_QUESTION', 'no text'))).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error [EMPTY_QUESTION] no text\n',
    });
    expect(report(new BlockAttentionError('DOWNLOAD_FAILED', 'gone')).code).toBe(1);
    expect(report(new BlockAttentionError('ABORTED', 'cancelled')).code).toBe(130);
  });

  it('says of a place that cannot be used what to do about it, and calls it no fault of this program', () => {
    for (const [code, known, exit] of [
      ['EACCES', 'INVALID_ARGUMENT', 2],
      ['EROFS', 'INVALID_ARGUMENT', 2],
      ['ENOTDIR', 'INVALID_ARGUMENT', 2],
      ['ENOSPC', 'DISK_FULL', 1],
    ] as const) {
      const error = Object.assign(new Error(`${code}: mkdir`), { code, path: '/cache/index' });
      const { stderr, code: actual } = report(error);
      expect(actual).toBe(exit);
      expect(stderr).toContain(`[${known}] "/cache/index" `);
      expect(stderr).toContain('BLOCK_ATTENTION_CACHE');
    }
    expect(report(Object.assign(new Error('EBADF'), { code: 'EBADF', path: '/x' })).stderr).toContain('[INTERNAL]');
  });

  it('repeats the error as JSON where asked to', () => {
    const { stdout } = report(new BlockAttentionError('STORE_FULL', 'no room'), { json: true });
    expect(stdout).toBe('{"error":{"code":"STORE_FULL","message":"no room"}}\n');
  });

  it('gives usage errors of the parser a code', () => {
    const parser = new CommanderError(1, 'commander.unknownOption', "error: unknown option '--x'\n(Did you mean --y?)");
    const { code, stderr } = report(parser);
    expect(code).toBe(2);
    expect(stderr).toBe("error [INVALID_ARGUMENT] unknown option '--x' (Did you mean --y?): see --help\n");
    expect(report(new CommanderError(0, 'commander.helpDisplayed', '')).code).toBe(0);
  });

  it('shows where a fault lies with DEBUG only', () => {
    const fault = new TypeError('x is undefined');
    expect(report(fault)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error \[INTERNAL\] x is undefined .*\n$/),
    });
    expect(report(fault, { env: { DEBUG: '1' } }).stderr).toContain('errors.test.ts');
    expect(report('thrown text').stderr).toContain('[INTERNAL] thrown text');
  });

  it('calls what fails after an interrupt cancelled', () => {
    expect(report(new Error('socket closed'), { aborted: true })).toMatchObject({
      code: 130,
      stderr: 'error [ABORTED] cancelled\n',
    });
  });

  it('lets no message steer the terminal', () => {
    expect(report(new BlockAttentionError('MODEL_NOT_FOUND', 'no \u001b[2J')).stderr).toBe(
      'error [MODEL_NOT_FOUND] no [2J\n',
    );
  });
});
