import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { CliIo } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { serverSecret } from './server-secret.ts';

const folder = mkdtempSync(join(tmpdir(), 'block-attention-secret-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Collects notes. */
function notes() {
  const lines: string[] = [];
  const sink = (list?: string[]) => ({ isTTY: false, write: (text: string) => void list?.push(text) });
  const signal = new AbortController().signal;
  const io = {
    stdin: (async function* () {})(),
    stdout: sink(),
    stderr: sink(lines),
    env: {},
    signal,
  } as unknown as CliIo;
  return { lines, output: new Output(io) };
}

// A folder within a file can be made by nobody, whatever their rights.
const file = join(folder, 'file');
writeFileSync(file, '');
const impossible = join(file, 'cache');

describe('the secret of a server', () => {
  it('is made once, kept for its owner alone, and found again', async () => {
    const { output, lines } = notes();
    const cache = join(folder, 'cache');
    const made = await serverSecret({}, cache, { keyed: true, output });
    expect(made).toMatch(/^[0-9a-f]{64}$/);
    expect(await serverSecret({}, cache, { keyed: false, output })).toBe(made);
    expect(readFileSync(join(cache, 'server-secret'), 'utf8')).toBe(made);
    expect(await serverSecret({ BLOCK_ATTENTION_SECRET: 'x' }, cache, { keyed: true, output })).toBe('x');
    chmodSync(cache, 0o500);
    expect(await serverSecret({}, cache, { keyed: true, output })).toBe(made);
    chmodSync(cache, 0o700);
    expect(lines).toEqual([]);
  });

  it('is not needed without keys, and asked for with them, where nothing can be written', async () => {
    const { output, lines } = notes();
    const first = await serverSecret({}, impossible, { keyed: false, output });
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await serverSecret({}, impossible, { keyed: false, output })).not.toBe(first);
    expect(lines[0]).toMatch(/warning: the server secret cannot be kept in .*\(ENOTDIR\)/);
    await expect(serverSecret({}, impossible, { keyed: true, output })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('BLOCK_ATTENTION_SECRET'),
    });
  });
});
