/**
 * The API as a hono app: works on requests and responses, knows no socket.
 *
 * Every request gets an id and a line in the log with neither key nor text; every error has OpenAI's shape.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { BlockAttentionError, packageVersion } from '@block-attention/engine/internal/base';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { pino } from 'pino';
import { FileCutter } from '../rag/index.ts';
import type { App, ServerContext, ServerEnv } from './context.ts';
import { FileForms } from './documents/file-form.ts';
import { Library } from './documents/library.ts';
import { ollamaError, ollamaPaths } from './ollama/errors.ts';
import { Admission } from './operate/admission.ts';
import { BlockJobs } from './operate/block-jobs.ts';
import { browserGuard, corsHeaders } from './operate/browser-guard.ts';
import { defaultLearn, Learning } from './operate/learning.ts';
import { Metrics } from './operate/metrics.ts';
import { overrideOf } from './operate/mode-override.ts';
import { defaultShadow, ShadowChecks } from './operate/shadow.ts';
import { Tenants } from './operate/tenants.ts';
import { defaultLimits, type ServerOptions } from './options.ts';
import { addOpenApi } from './pages/openapi.ts';
import { BodyBudget } from './requests/body-budget.ts';
import { errorBody, loggedFields, RequestError } from './requests/request-error.ts';
import { requestFields } from './requests/request-schemas.ts';
import { addBlocks } from './routes/blocks.ts';
import { addChat } from './routes/chat.ts';
import { addCompletions } from './routes/completions.ts';
import { addCut } from './routes/cut.ts';
import { addDocs } from './routes/docs.ts';
import { addDocuments } from './routes/documents.ts';
import { addEmbeddings } from './routes/embeddings.ts';
import { addFiles } from './routes/files.ts';
import { addModels } from './routes/models.ts';
import { addOllama } from './routes/ollama.ts';
import { addOperations } from './routes/operations.ts';
import { addPlan } from './routes/plan.ts';
import { addPlayground } from './routes/playground.ts';
import { addResponses } from './routes/responses.ts';
import { addSearch } from './routes/search.ts';

export interface Server {
  /** `app.request()` and `app.fetch()` answer requests. */
  readonly app: Pick<Hono, 'fetch' | 'request' | 'routes'>;
  /** Names of the tenants that the API keys belong to, each once. */
  readonly tenants: readonly string[];
  /** From now on new requests get SHUTTING_DOWN; those under way go on. */
  drain(): void;
  /** Cancels what is under way. */
  halt(): void;
  /** Ends what works in the background, once no request is under way. The engine stays open. */
  close(): Promise<void>;
}

/** @throws INVALID_ARGUMENT for an origin or host name that is none */
export function createServer(options: ServerOptions): Server {
  const limits = { ...defaultLimits, ...options.limits };
  const tenants = new Tenants(options.apiKeys ?? [], options.secret ?? randomBytes(32).toString('hex'));
  const logger = options.logger ?? pino({ level: 'silent' });
  const admission = new Admission({
    maxRunning: limits.running,
    maxQueue: limits.queue,
    onChange: () => {
      shadow.update();
      learning.update();
      if (admission.idle) library?.nudge();
    },
  });
  const halt = new AbortController();
  // Every request listens.
  setMaxListeners(0, halt.signal);
  let draining = false;
  const { engine, metricsToken } = options;
  const shadow = new ShadowChecks(engine, { ...defaultShadow, ...options.shadow }, () => admission.idle, logger);
  const learning = new Learning(engine, { ...defaultLearn, ...options.learn }, () => admission.idle, logger);
  const { documents } = options;
  const encodes = () => (overrideOf(context, {})?.mode ?? engine.chooseMode({}).mode) === 'block';
  const library = documents && new Library(documents, { engine, logger, encodes });
  const modelNames = namesOf(options, library);
  const { chunkTokens, tables, ocr } = documents ?? {};
  const cutter = new FileCutter({ tokenizer: engine.tokenizer, chunkTokens, tables, ocr });
  const context: ServerContext = {
    engine,
    embedder: options.embedder,
    modelNames,
    limits,
    admission,
    jobs: new BlockJobs(engine, limits.jobs, halt.signal),
    metrics: new Metrics(engine, admission, { shadow: () => shadow.state, learning: () => learning.state }),
    shadow,
    learning,
    tenants,
    library,
    forms: new FileForms(),
    cutter,
    created: Math.floor(Date.now() / 1000),
    metricsToken,
    halt: halt.signal,
    isDraining: () => draining,
    tell: (reason) => reason.replaceAll(engine.model.path, modelNames[0]),
  };
  // One body has room in any case.
  const bodies = new BodyBudget(Math.max(limits.bodiesBytes, limits.bodyBytes));
  const app: App = new OpenAPIHono<ServerEnv>({ strict: false });
  observe(app, context, logger);
  const origins = options.corsOrigins ?? [];
  app.use(browserGuard({ origins, hosts: options.allowedHosts ?? [], keyed: tenants.required }));
  // Before keys are asked for: a browser sends none when it asks whether it may.
  app.use(corsHeaders({ origins }));
  for (const paths of ['/v1/*', `${ollamaPaths}*`]) {
    app.use(paths, async (c, next) => {
      c.set('tenant', tenants.of(c.req.header('authorization')));
      if (draining) throw new BlockAttentionError('SHUTTING_DOWN', 'the server is shutting down: try another');
      using body = bodies.lease();
      c.set('body', body);
      await next();
    });
  }
  const api = [
    addChat,
    addCompletions,
    addResponses,
    addEmbeddings,
    addSearch,
    addFiles,
    addCut,
    addDocuments,
    addPlan,
    addBlocks,
    addModels,
    addOperations,
    addOllama,
  ];
  for (const add of api) add(app, context);
  addOpenApi(app, packageVersion());
  addDocs(app, context);
  addPlayground(app);
  app.notFound(() => {
    throw new BlockAttentionError('NOT_FOUND', 'no such route: /docs and /openapi.json list them');
  });
  library?.start(tenants.all);
  return {
    app,
    tenants: tenants.names,
    drain: () => {
      draining = true;
      shadow.close();
      learning.close();
      void library?.stop();
    },
    halt: () => halt.abort(new Error('the server ends')),
    close: async () => {
      await Promise.all([library?.close(), cutter[Symbol.asyncDispose]()]);
    },
  };
}

/** The documents' name comes last: what is asked without them is the usual. */
function namesOf({ modelName, engine }: ServerOptions, library: Library | undefined): ServerContext['modelNames'] {
  const [first = engine.model.name, ...others] = [modelName ?? []].flat();
  return [first, ...others.filter((name) => name !== library?.modelName), ...(library ? [library.modelName] : [])];
}

function observe(app: App, { metrics, admission }: ServerContext, logger: NonNullable<ServerOptions['logger']>): void {
  app.use(async (c, next) => {
    const started = performance.now();
    const sent = c.req.header('x-request-id') ?? '';
    const requestId = /^[\w-]{1,64}$/.test(sent) ? sent : randomUUID();
    c.set('requestId', requestId);
    c.header('x-request-id', requestId);
    await next();
    const { status } = c.res;
    // The route's pattern, not the path: that is the client's text.
    const route = c.req.matchedRoutes.findLast(({ path }) => !path.endsWith('*'))?.path ?? 'none';
    metrics.request(route, status);
    const tenant: { name: string } | undefined = c.get('tenant');
    // What pages and monitors ask again and again tells nobody anything as long as it goes well.
    const often = status < 400 && (c.req.method !== 'POST' || route === '/v1/plan') && c.req.method !== 'DELETE';
    logger[often ? 'debug' : 'info']({
      requestId,
      method: c.req.method,
      route,
      status,
      tenant: tenant?.name,
      ms: performance.now() - started,
    });
  });
  app.onError((error, c) => {
    const { status, body } = errorBody(error);
    const { code } = body.error;
    const requestId = c.get('requestId');
    // Messages about a client's input quote it; messages of the server's own faults are what its owner needs.
    if (status >= 500) logger.error({ requestId, code, reason: error.message, stack: error.stack });
    else logger.info({ requestId, code, ...(error instanceof RequestError && loggedFields(error, requestFields)) });
    if (status === 429 || status === 503) c.header('retry-after', `${admission.retryAfter}`);
    if (status === 401) c.header('www-authenticate', 'Bearer');
    return c.json(c.req.path.startsWith(ollamaPaths) ? ollamaError(body) : body, status as ContentfulStatusCode);
  });
}
