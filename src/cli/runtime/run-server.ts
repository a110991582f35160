/** The engine behind HTTP, until a signal ends it: what `serve` and `up` have in common. */
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { AsyncCleanup } from '@block-attention/engine/internal/base';
import { cacheFolder } from '@block-attention/engine/internal/platform';
import type { LoggerOptions, pino } from 'pino';
import { embeddedModel } from '../../hub/aliases.ts';
import { loadOpenEngine, loadOpenStore } from '../lazy.ts';
import { openRerankerFor } from '../options/index-options.ts';
import { policyOf } from '../options/model-options.ts';
import type { ServeFlags } from '../options/serve-options.ts';
import { serverSecret } from '../options/server-secret.ts';
import { textOf } from '../options/text-file.ts';
import { counted } from '../terminal/format.ts';
import type { CliIo } from '../terminal/io.ts';
import { Output } from '../terminal/output.ts';
import { documentsOf, openEmbedderOf } from './served-documents.ts';

const loadServer = () => import('../../server/index.ts');
const loadPino = () => import('pino');

/** What a server is to answer from, beside what requests bring. */
export interface ServedDocuments {
  /** Folder of the index. */
  readonly directory: string;
  /** To be kept current with, as they were given. */
  readonly folders: readonly string[];
}

/** Serves until a signal ends it. @param documents undefined to answer from what requests bring alone */
export async function runServer(
  flags: ServeFlags,
  io: CliIo,
  { documents, anyPort = false }: { readonly documents?: ServedDocuments | undefined; readonly anyPort?: boolean } = {},
): Promise<void> {
  const output = new Output(io, flags);
  const server = await loadServer();
  const { pino } = await loadPino();
  const { openEngine } = await loadOpenEngine();
  const { openStore } = await loadOpenStore();
  const file = flags.apiKeys === undefined ? '' : await textOf('--api-keys', flags.apiKeys);
  const lines = file.split(/\r?\n/).map((line) => line.trim());
  const apiKeys = [...(flags.apiKey ?? []), ...lines.filter((line) => line !== '' && !line.startsWith('#'))];
  const keys = apiKeys.map(server.parseApiKey);
  if (flags.apiKeys !== undefined) await noteReaders(flags.apiKeys, output);
  const secret = await serverSecret(io.env, cacheFolder(io.env), { keyed: keys.length > 0, output });
  const store = await openStore(flags, io.env, output);
  const logger = pino(logOptions(pino, flags.logLevel), { write: (line: string) => void io.stderr.write(line) });
  await using cleanup = new AsyncCleanup();
  const opened = await openEngine(flags, {
    io,
    output,
    store,
    more: {
      onThreads: ({ threads, of, message }) => logger.warn({ threads, of }, message),
      kvBytes: flags.kvMemory,
      prefixBytes: flags.prefixMemory,
      mode: flags.mode,
      policy: policyOf(flags),
    },
  });
  cleanup.defer(async () => opened[Symbol.asyncDispose]());
  const embedder = await openEmbedderOf(flags, documents?.directory, { io, output });
  cleanup.defer(async () => embedder?.[Symbol.asyncDispose]());
  const reranker = documents && (await openRerankerFor(flags, { io, output }));
  cleanup.defer(async () => reranker?.[Symbol.asyncDispose]());
  const { defaultLimits: limits, defaultShadow: shadow } = server;
  const app = server.createServer({
    engine: opened.engine,
    embedder,
    modelName: flags.modelName ?? opened.model.name,
    apiKeys: keys,
    secret,
    metricsToken: flags.metricsToken,
    corsOrigins: flags.cors,
    allowedHosts: allowedHosts(flags, keys.length > 0),
    logger,
    documents: documents && documentsOf(documents, flags, { keys, embedder, reranker, output }),
    limits: {
      bodyBytes: flags.maxBody ?? limits.bodyBytes,
      bodiesBytes: flags.maxBodies ?? limits.bodiesBytes,
      documents: flags.maxDocuments ?? limits.documents,
      answerTokens: flags.maxTokens ?? limits.answerTokens,
      running: flags.maxRunning ?? limits.running,
      queue: flags.maxQueue ?? limits.queue,
      jobs: flags.maxJobs ?? limits.jobs,
      fileBytes: flags.maxFile ?? limits.fileBytes,
      deadlineMs: flags.deadline ?? limits.deadlineMs,
    },
    learn: {
      rate: flags.learn ? flags.learnRate : 0,
      tolerance: flags.learnTolerance,
      keep: server.keepLearned(opened.engine, { template: flags.template, cacheDir: cacheFolder(io.env) }),
    },
    shadow: {
      rate: flags.shadow ?? shadow.rate,
      minAgreement: flags.shadowMinAgreement ?? shadow.minAgreement,
      maxKl: flags.shadowMaxKl ?? shadow.maxKl,
    },
  });
  const name = flags.modelName?.[0] ?? opened.model.name;
  const listening = await server.listen(app, flags.port, flags.host).catch((error: unknown) => {
    if (!anyPort) throw error;
    output.note(`port ${flags.port} is taken: another one is used`);
    return server.listen(app, 0, flags.host);
  });
  if (flags.host !== '127.0.0.1' && flags.host !== 'localhost' && keys.length === 0) {
    output.note(`warning: the server answers everybody who can reach ${flags.host}: set --api-key`);
  }
  // Where it stands in for another, that was said when it was opened.
  if (opened.model.name === embeddedModel && opened.model.instead === undefined) {
    output.note('the embedded model answers, a reader of short facts: for documents of your own name another, --model');
  }
  if (keys.length > 0) output.note(`API keys of ${counted(app.tenants.length, 'tenant')}: ${app.tenants.join(', ')}`);
  if (documents) output.print(`ask your documents at ${listening.url}/`);
  output.print(`${name} at ${listening.url}/v1, API page at ${listening.url}/docs`);
  const { reason } = opened.engine.chooseMode({});
  if (reason !== null) output.note(`mode: ${reason}`);
  output.result({ url: listening.url, model: name });
  if (!io.signal.aborted) await once(io.signal, 'abort');
  output.note('finishing the running requests');
  await listening.close(flags.grace, { drainMs: flags.drain });
}

/** Lines that people can read, too: a level by its name, a time by the clock. */
function logOptions({ stdTimeFunctions }: Pick<typeof pino, 'stdTimeFunctions'>, level: string): LoggerOptions {
  return {
    base: null,
    level,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
}

/** Warns of a file of keys that others can read. */
async function noteReaders(path: string, output: Output): Promise<void> {
  const { mode } = await stat(path);
  // Windows has no such bits.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  output.note(`warning: ${path} holds API keys and can be read by other users: chmod 600 ${path}`);
}

/** The name that is listened on is a name of the server, too. Where there are keys, names are checked only when given. */
function allowedHosts({ host, allowedHost = [] }: ServeFlags, keyed: boolean): readonly string[] {
  const isName = isIP(host) === 0;
  return isName && !(keyed && allowedHost.length === 0) ? [...allowedHost, host] : allowedHost;
}
