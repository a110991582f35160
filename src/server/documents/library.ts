/**
 * The documents that a server answers from: a collection per tenant, none of which sees another's.
 *
 * Those with folders are opened at the start, the others by their first request. Without API keys there is one.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Engine } from '@block-attention/engine/internal/engine';
import type { Logger } from 'pino';
import { type DocumentIndex, type IndexSummary, type KeepOptions, openIndex } from '../../rag/index.ts';
import type { Tenant } from '../operate/tenants.ts';
import { Collection } from './collection.ts';
import { defaultUploadLimits, type UploadLimits } from './uploads.ts';

export interface DocumentsOptions
  extends Pick<KeepOptions, 'chunkTokens' | 'tables' | 'ocr' | 'maxFileBytes' | 'ignoreFiles' | 'model'> {
  /** Of the index; with API keys, tenants' own are below it. */
  readonly directory: string;
  /** Folders to answer from; with `tenant`, that tenant alone, else each. Defaults to none: uploads alone. */
  readonly folders?: readonly { readonly path: string; readonly tenant?: string | undefined }[] | undefined;
  /** Name of the model that answers from the documents whether or not a request says `retrieval`. Defaults to `docs`. */
  readonly modelName?: string | undefined;
  readonly uploads?: Partial<UploadLimits> | undefined;
  /** After a folder was read in which something had changed. */
  readonly onUpdate?: ((summary: IndexSummary, tenant: Tenant) => void) | undefined;
  /** Opens an index. Defaults to `openIndex({ directory })`. */
  readonly open?: ((directory: string) => Promise<DocumentIndex>) | undefined;
}

export interface LibraryParts {
  readonly engine: Engine;
  readonly logger: Logger;
  /** Whether questions are answered by block mode, so that encoding ahead is of use. */
  readonly encodes: () => boolean;
}

export class Library {
  readonly modelName: string;
  readonly limits: UploadLimits;
  readonly #options: DocumentsOptions;
  readonly #parts: LibraryParts;
  readonly #collections = new Map<string, Promise<Collection>>();
  #closed = false;

  constructor(options: DocumentsOptions, parts: LibraryParts) {
    this.#options = options;
    this.#parts = parts;
    this.modelName = options.modelName ?? 'docs';
    const { maxFileBytes: fileBytes } = options;
    this.limits = { ...defaultUploadLimits, ...(fileBytes !== undefined && { fileBytes }), ...options.uploads };
  }

  /** Begins to read folders. @param tenants all there are; without API keys the one */
  start(tenants: readonly Tenant[]): void {
    for (const tenant of tenants) {
      const log = (error: unknown) => this.#log(tenant, error);
      if (tenant.salt === undefined || this.#foldersOf(tenant).length > 0) this.of(tenant).catch(log);
    }
  }

  /** Whether passages are encoded ahead of questions. */
  readonly encodes = (): boolean => this.#parts.encodes();

  /** @throws INDEX_INVALID and what else opening an index throws; the next request tries again */
  of(tenant: Tenant): Promise<Collection> {
    const known = this.#collections.get(tenant.name);
    if (known) return known;
    if (this.#closed) throw new BlockAttentionError('SHUTTING_DOWN', 'the server is shutting down: try another');
    const opening = this.#open(tenant);
    this.#collections.set(tenant.name, opening);
    opening.catch(() => this.#collections.delete(tenant.name));
    return opening;
  }

  /** Asks again whether to encode, where something is left to. */
  nudge(): void {
    for (const opening of this.#collections.values())
      opening.then(({ keeper }) => keeper.nudge()).catch(() => undefined);
  }

  /** Reads and encodes nothing more. */
  async stop(): Promise<void> {
    this.#closed = true;
    await this.#each(({ keeper }) => keeper.close());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#each((collection) => collection.close());
  }

  async #each(work: (collection: Collection) => Promise<void>): Promise<void> {
    const opened = await Promise.allSettled(this.#collections.values());
    await Promise.all(
      opened.map(async (one) => {
        if (one.status === 'fulfilled') await work(one.value);
      }),
    );
  }

  async #open(tenant: Tenant): Promise<Collection> {
    const { directory, open = (path) => openIndex({ directory: path }), ...rest } = this.#options;
    const { chunkTokens, tables, ocr, maxFileBytes, ignoreFiles, model } = rest;
    const { engine, encodes, logger } = this.#parts;
    // A name may be `..`, and differ from another in its case alone.
    const own = createHash('sha256').update(tenant.name).digest('hex').slice(0, 32);
    const index = await open(tenant.salt === undefined ? directory : join(directory, 'tenants', own));
    return Collection.open({
      index,
      folders: this.#foldersOf(tenant),
      limits: this.limits,
      engine,
      encodes,
      tenant: tenant.salt,
      chunkTokens,
      tables,
      ocr,
      maxFileBytes,
      ignoreFiles,
      model,
      onError: (error) => this.#log(tenant, error),
      onUpdate: (summary) => {
        this.#options.onUpdate?.(summary, tenant);
        const { files, chunks, ms } = summary;
        const { added, changed, removed } = files;
        const { total: passages } = chunks;
        logger.info(
          { tenant: tenant.name, files: files.total, added, changed, removed, passages, ms },
          'documents read',
        );
      },
    });
  }

  #foldersOf(tenant: Tenant): string[] {
    const all = this.#options.folders ?? [];
    return all.filter((one) => one.tenant === undefined || one.tenant === tenant.name).map(({ path }) => path);
  }

  #log(tenant: Tenant, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.logger.error({ tenant: tenant.name, reason }, 'documents could not be read');
  }
}
