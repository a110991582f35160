/** A folder with a small random model, passages and a cache of its own. For tests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRandomModel } from '../models/random-model.ts';
import { type Captured, type CaptureOptions, capture } from './cli-capture.ts';

const passages = [
  { id: 'bridge', title: 'Bridge', text: 'the bridge was opened in 1911.' },
  { id: 'answer', text: 'the answer is in the passage.' },
  { text: 'the question and the answer.' },
];

export class Workspace implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'block-attention-cli-'));
  readonly model = join(this.folder, 'model.gguf');
  readonly passages = join(this.folder, 'passages.jsonl');
  readonly passagesText = passages.map((passage) => JSON.stringify(passage)).join('\n');
  readonly store = join(this.folder, 'store');
  readonly env = { BLOCK_ATTENTION_CACHE: join(this.folder, 'cache') };

  static async open(contextTokens = 512): Promise<Workspace> {
    const workspace = new Workspace();
    await writeRandomModel(workspace.model, { family: 'llama', contextTokens }, 5);
    writeFileSync(workspace.passages, workspace.passagesText);
    return workspace;
  }

  /** Runs a command with this workspace's cache. */
  run(argv: readonly string[], options: CaptureOptions = {}): Promise<Captured> {
    return capture(argv, { ...options, env: { ...this.env, ...options.env } });
  }

  /** Asks over the passages; further arguments go before the question. */
  ask(...more: string[]): Promise<Captured> {
    const base = ['ask', '--model', this.model, '--passages', this.passages, '--store', this.store, '--threads', '1'];
    return this.run([
      ...base,
      '--device',
      'cpu',
      '--max-tokens',
      '4',
      '--mode',
      'block',
      ...more,
      'when was the bridge opened?',
    ]);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
