/** What every route is given, and what every request carries. */

import type { Engine } from '@block-attention/engine/internal/engine';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Embedder } from '../rag/embed/embedder.ts';
import type { FileCutter } from '../rag/index.ts';
import type { FileForms } from './documents/file-form.ts';
import type { Library } from './documents/library.ts';
import type { Admission } from './operate/admission.ts';
import type { BlockJobs } from './operate/block-jobs.ts';
import type { Learning } from './operate/learning.ts';
import type { Metrics } from './operate/metrics.ts';
import type { ShadowChecks } from './operate/shadow.ts';
import type { Tenant, Tenants } from './operate/tenants.ts';
import type { Limits } from './options.ts';
import type { BodyLease } from './requests/body-budget.ts';

export interface ServerEnv {
  Variables: {
    readonly requestId: string;
    readonly tenant: Tenant;
    /** What the request's body takes of the room for all bodies. */
    readonly body: BodyLease;
  };
}

export type App = OpenAPIHono<ServerEnv>;

export interface ServerContext {
  readonly engine: Engine;
  /** The model of /v1/embeddings; undefined where none is loaded. */
  readonly embedder: Embedder | undefined;
  /** What the model is served as: at least one name, the first in messages. */
  readonly modelNames: readonly [string, ...string[]];
  readonly limits: Limits;
  readonly admission: Admission;
  readonly jobs: BlockJobs;
  readonly metrics: Metrics;
  readonly shadow: ShadowChecks;
  readonly learning: Learning;
  readonly tenants: Tenants;
  /** Undefined on a server that answers from what requests bring alone. */
  readonly library: Library | undefined;
  readonly forms: FileForms;
  readonly cutter: FileCutter;
  /** When the server was made, in seconds since 1970. */
  readonly created: number;
  readonly metricsToken: string | undefined;
  /** Fires when requests under way are no longer waited for. */
  readonly halt: AbortSignal;
  readonly isDraining: () => boolean;
  /** A reason of the engine's without the places of this machine. */
  readonly tell: (reason: string) => string;
}
