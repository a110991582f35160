/** One tenant's documents: an index, the folders that it is kept current with, the files that were sent. */
import { basename, join } from 'node:path';
import type { AnswerRequest, Engine, KeyOptions } from '@block-attention/engine/internal/engine';
import {
  type Chunk,
  type DocumentIndex,
  IndexKeeper,
  type KeepOptions,
  type Retrieved,
  retrieve,
  type SearchHit,
  type SearchOptions,
} from '../../rag/index.ts';
import { type UploadLimits, Uploads } from './uploads.ts';

export interface CollectionOptions extends KeepOptions {
  /** Of the index; closed with the collection. */
  readonly index: DocumentIndex;
  /** To be kept current with. One that cannot be read is told to onError. */
  readonly folders: readonly string[];
  readonly limits: UploadLimits;
}

/** How passages are found, when the model is not asked, and how many excerpts are offered beside them. */
export interface Retrieval extends SearchOptions {
  readonly minCoverage?: number | undefined;
  readonly excerpts?: number | undefined;
}

/** A retrieved answer, and what is to be done when it has ended. */
export interface Answering extends Retrieved {
  readonly release: () => void;
}

export class Collection {
  readonly index: DocumentIndex;
  readonly keeper: IndexKeeper;
  readonly uploads: Uploads;
  readonly #engine: Engine;
  readonly #onError: ((error: unknown) => void) | undefined;
  /** Real path of the folder of uploads. */
  readonly #uploaded: string;

  private constructor(
    { index, engine, onError }: CollectionOptions,
    { keeper, uploads, uploaded }: { keeper: IndexKeeper; uploads: Uploads; uploaded: string },
  ) {
    this.index = index;
    this.keeper = keeper;
    this.uploads = uploads;
    this.#engine = engine;
    this.#onError = onError;
    this.#uploaded = uploaded;
  }

  static async open(options: CollectionOptions): Promise<Collection> {
    const { index, folders, limits, ...keep } = options;
    const uploads = await Uploads.open(join(index.directory, 'files'), limits);
    const keeper = new IndexKeeper(index, keep);
    for (const folder of folders) await keeper.add(folder).catch((error: unknown) => keep.onError?.(error));
    const uploaded = await keeper.add(uploads.folder, { watched: false });
    return new Collection(options, { keeper, uploads, uploaded });
  }

  /** What clients may know a folder as: no path of this machine. */
  nameOf(root: string): string {
    return root === this.#uploaded ? 'uploads' : basename(root);
  }

  search(question: string, options: SearchOptions & { signal?: AbortSignal | undefined }): Promise<SearchHit[]> {
    return this.index.search(question, { ...options, roots: this.keeper.roots });
  }

  /** Passages for a question. Their blocks, however they are encoded, leave the store with their documents. */
  async retrieve(answer: AnswerRequest, { minCoverage, excerpts, ...retrieval }: Retrieval): Promise<Answering> {
    const engine = this.#engine;
    const { passages: _, ...question } = answer;
    const roots = this.keeper.roots;
    const found = await retrieve({
      ...question,
      index: this.index,
      engine,
      retrieval: { ...retrieval, roots },
      minCoverage,
      excerpts,
      documents: this.keeper.documents,
    });
    if (found.answer === undefined) return { ...found, release: () => undefined };
    const { tenant, policy } = answer;
    // As this request runs, and as requests run that say nothing: checks read it once more in that way.
    const ways: KeyOptions[] = [{ tenant }, ...(policy === undefined ? [] : [{ tenant, policy }])];
    for (const way of ways) await found.answer.note(way);
    return { ...found, release: () => void this.#forgetGone(found.chunks, ways) };
  }

  /** A file's state in the index. */
  stateOf({ name, modifiedAt }: { readonly name: string; readonly modifiedAt: number }) {
    const known = this.index.file(this.#uploaded, name);
    const failure = this.keeper.state.folders.find(({ root }) => root === this.#uploaded)?.error;
    return { known: known?.modifiedAt === modifiedAt ? known : undefined, failure };
  }

  /** Says that files came or went, and waits until the index knows. @throws what reading them met, ABORTED */
  async uploadsChanged(signal: AbortSignal): Promise<void> {
    this.keeper.touch(this.#uploaded);
    await this.keeper.current(signal);
    const failure = this.keeper.state.folders.find(({ root }) => root === this.#uploaded)?.error;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    await this.keeper.close();
    await this.index.close();
  }

  #forgetGone(chunks: readonly Chunk[], ways: readonly KeyOptions[]): Promise<unknown> {
    return this.index.forgetGone(this.#engine, chunks, ways).catch((error: unknown) => this.#onError?.(error));
  }
}
