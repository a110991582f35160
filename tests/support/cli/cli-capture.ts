/** Commands in this process, with streams that remember. For tests. */
import { runCli } from '../../../src/cli/index.ts';

export interface CaptureOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Whether both streams are terminals. Defaults to false. */
  readonly terminal?: boolean;
  readonly onStdout?: (text: string) => void;
}

export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The last line of stdout as JSON. @throws SyntaxError when it is none */
  readonly json: () => Record<string, unknown>;
}

export async function capture(argv: readonly string[], options: CaptureOptions = {}): Promise<Captured> {
  let stdout = '';
  let stderr = '';
  const isTTY = options.terminal ?? false;
  const input = options.stdin ?? '';
  const code = await runCli(argv, {
    stdin: (async function* () {
      yield typeof input === 'string' ? new TextEncoder().encode(input) : input;
    })(),
    stdout: {
      isTTY,
      write: (text) => {
        stdout += text;
        options.onStdout?.(text);
      },
    },
    stderr: { isTTY, write: (text) => (stderr += text) },
    env: { BLOCK_ATTENTION_MODEL: 'embedded', ...options.env },
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, stdout, stderr, json: () => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') };
}
