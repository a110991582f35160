/**
 * Keeps an index current beside a server: folders are read when something in them changes, and their passages are
 * encoded meanwhile. One thing at a time, and reading goes first: encoding gives way to it and goes on afterwards, so a
 * new file can be found within a moment, however much is left to encode.
 *
 * Knows no server. What fails is kept in the state and told; the next change tries again.
 */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine } from '@block-attention/engine/internal/engine';
import type { IndexSummary } from '../types.ts';
import type { DocumentIndex } from './document-index.ts';
import { type DocumentsState, stateOf } from './documents-state.ts';
import { folderChanges } from './folder-changes.ts';
import { rootOf, type UpdateOptions, type UpdateProgress } from './update-folder.ts';

export interface KeepOptions
  extends Pick<UpdateOptions, 'tenant' | 'chunkTokens' | 'tables' | 'ocr' | 'maxFileBytes' | 'ignoreFiles' | 'model'> {
  readonly engine: Engine;
  /** Whether passages are worth encoding now; asked again at every `nudge`. Defaults to always. */
  readonly encodes?: (() => boolean) | undefined;
  /** Quiet time after the last change in a folder before it is read, in ms. Defaults to 400. */
  readonly quietMs?: number | undefined;
  /** Time after which what was read so far can be found, in ms. Defaults to 500. */
  readonly findableMs?: number | undefined;
  /** After a folder was read: the first time, and when something in it had changed. */
  readonly onUpdate?: ((summary: IndexSummary) => void) | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface KeptFolder {
  readonly root: string;
  /** What the last run found; undefined before its end. */
  readonly summary: IndexSummary | undefined;
  /** Why the last run failed; undefined when it did not. */
  readonly error: unknown;
}

export interface KeepState {
  /** `waiting`: for another process that writes to the index. `ready`: nothing is left to do. */
  readonly phase: UpdateProgress['phase'] | 'waiting' | 'ready';
  /** Of the phase: files while reading, passages while encoding. */
  readonly done: number;
  readonly total: number;
  /** File that is being read. */
  readonly path: string | undefined;
  /** Passages whose blocks are known to be in the store, of how many; undefined before it was looked. */
  readonly encoded: { readonly done: number; readonly total: number } | undefined;
  /** Why encoding failed; undefined when it did not. */
  readonly error: unknown;
  readonly folders: readonly KeptFolder[];
}

interface Folder {
  summary: IndexSummary | undefined;
  error: unknown;
  /** To be read. */
  touched: boolean;
}

const idle = { phase: 'ready', done: 0, total: 0, path: undefined } as const;

export class IndexKeeper implements AsyncDisposable {
  readonly #index: DocumentIndex;
  readonly #options: KeepOptions;
  readonly #folders = new Map<string, Folder>();
  readonly #end = new AbortController();
  readonly #waiters = new Set<() => void>();
  readonly #running: Promise<void>[] = [];
  #progress: Pick<KeepState, 'phase' | 'done' | 'total' | 'path'> = idle;
  #encoded: KeepState['encoded'];
  #encodeError: unknown;
  /** Whether there may be passages that the store lacks. */
  #unencoded = false;
  /** Ends the encoding, for something to be read. */
  #encoding: AbortController | undefined;
  #busy: string | undefined;
  #wake = () => {};

  constructor(index: DocumentIndex, options: KeepOptions) {
    this.#index = index;
    this.#options = options;
    this.#running.push(this.#run());
  }

  get state(): KeepState {
    const folders = [...this.#folders].map(([root, { summary, error }]) => ({ root, summary, error }));
    return { ...this.#progress, encoded: this.#encoded, error: this.#encodeError, folders };
  }

  /** How far the folders are read. To be asked before a search: what it misses may be found then. */
  get documents(): DocumentsState {
    const known = new Map(this.#index.folders.map((folder) => [folder.root, folder]));
    const nothing = { files: 0, skipped: 0, chunks: 0 };
    const folders = this.roots.map((root) => ({ ...nothing, ...known.get(root), root }));
    return stateOf(folders, {
      notes: this.#busy === undefined ? {} : { [this.#busy]: this.#progress.total },
      reading: !this.#isCurrent,
      failed: [...this.#folders.values()].some(({ error }) => error !== undefined),
    });
  }

  /** Real paths of the folders. */
  get roots(): string[] {
    return [...this.#folders.keys()];
  }

  /**
   * Reads a folder and, unless told otherwise, again whenever something in it changes.
   * @returns its real path @throws INVALID_ARGUMENT for a folder that cannot be read
   */
  async add(folder: string, { watched = true }: { readonly watched?: boolean } = {}): Promise<string> {
    const root = await rootOf(folder);
    if (this.#folders.has(root)) return root;
    this.#folders.set(root, { summary: undefined, error: undefined, touched: true });
    if (watched) this.#running.push(this.#watch(root));
    this.touch(root);
    return root;
  }

  /** Says that something in a folder changed. */
  touch(root: string): void {
    const folder = this.#folders.get(root);
    if (folder === undefined) return;
    folder.touched = true;
    this.#encoding?.abort();
    this.#wake();
  }

  /** Asks again whether to encode. */
  nudge(): void {
    if (this.#unencoded && this.#encoding === undefined) this.#wake();
  }

  /** Waits until everything that changed so far was read, or has failed. @throws ABORTED */
  async current(signal?: AbortSignal): Promise<void> {
    while (!this.#isCurrent) {
      if (this.#end.signal.aborted || signal?.aborted) {
        throw new BlockAttentionError('ABORTED', 'the documents are no longer waited for');
      }
      await new Promise<void>((resolve) => {
        const tell = () => {
          this.#waiters.delete(tell);
          signal?.removeEventListener('abort', tell);
          resolve();
        };
        this.#waiters.add(tell);
        signal?.addEventListener('abort', tell, { once: true });
      });
    }
  }

  /** Ends what is running. The index stays open. */
  async close(): Promise<void> {
    this.#end.abort();
    this.#encoding?.abort();
    this.#wake();
    await Promise.all(this.#running);
    for (const tell of this.#waiters) tell();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether everything that changed so far was read, or has failed. */
  get #isCurrent(): boolean {
    return this.#busy === undefined && ![...this.#folders.values()].some(({ touched }) => touched);
  }

  async #watch(root: string): Promise<void> {
    const { quietMs, onError } = this.#options;
    try {
      for await (const _ of folderChanges(root, { signal: this.#end.signal, quietMs, onError })) this.touch(root);
    } catch (error) {
      onError?.(error);
    }
  }

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      const next = [...this.#folders].find(([, { touched }]) => touched);
      if (next !== undefined) await this.#read(...next);
      else if (this.#unencoded && this.#options.encodes?.() !== false) await this.#encode();
      else {
        this.#progress = idle;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = () => {};
      }
    }
  }

  async #read(root: string, folder: Folder): Promise<void> {
    const { onUpdate, onError, findableMs = 500, encodes: _, quietMs: __, ...options } = this.#options;
    folder.touched = false;
    this.#busy = root;
    this.#progress = { ...idle, phase: 'reading' };
    try {
      const summary = await this.#index.update(root, {
        ...options,
        encode: false,
        findableMs,
        signal: this.#end.signal,
        onProgress: ({ phase, done, total, path }) => (this.#progress = { phase, done, total, path }),
        onWait: () => (this.#progress = { ...this.#progress, phase: 'waiting' }),
      });
      const { added, changed, removed } = summary.files;
      const first = folder.summary === undefined;
      folder.summary = summary;
      folder.error = undefined;
      if (first || added + changed + removed > 0) {
        this.#unencoded = true;
        onUpdate?.(summary);
      }
    } catch (error) {
      if (!this.#end.signal.aborted) {
        folder.error = error;
        onError?.(error);
      }
    } finally {
      this.#busy = undefined;
      for (const tell of this.#waiters) tell();
    }
  }

  async #encode(): Promise<void> {
    const { engine, tenant, onError } = this.#options;
    const controller = new AbortController();
    this.#encoding = controller;
    const chunks = new Map(this.#index.folders.map((folder) => [folder.root, folder.chunks]));
    let before = 0;
    let after = this.roots.reduce((sum, root) => sum + (chunks.get(root) ?? 0), 0);
    try {
      for (const root of this.roots) {
        after -= chunks.get(root) ?? 0;
        let of = 0;
        await this.#index.encode([root], engine, {
          tenant,
          signal: controller.signal,
          onProgress: (done, total) => {
            of = total;
            this.#encoded = { done: before + done, total: before + total + after };
            this.#progress = { phase: 'encoding', ...this.#encoded, path: undefined };
          },
        });
        before += of;
      }
      this.#encoded = { done: before, total: before };
      this.#encodeError = undefined;
      this.#unencoded = false;
    } catch (error) {
      if (!controller.signal.aborted) {
        // The next change tries again.
        this.#unencoded = false;
        this.#encodeError = error;
        onError?.(error);
      }
    } finally {
      this.#encoding = undefined;
    }
  }
}
