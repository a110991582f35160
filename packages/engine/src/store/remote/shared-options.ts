/**
 * How to name a shared server: as a URL on a command line, or as options in code.
 */
import { BlockAttentionError } from '../../errors.ts';
import type { RedisLocation } from './redis-backend.ts';
import type { RemoteBackend } from './remote-tier.ts';
import type { S3Options } from './s3-backend.ts';

export type SharedOptions = { readonly redis: RedisLocation } | { readonly s3: S3Options };

/**
 * Reads the URL of a shared server.
 *
 *   redis://[user:password@]host[:port][/db]   one server; rediss:// for TLS
 *   redis://a:6379,redis://b:6379              a cluster, by some of its nodes; `?cluster` after a single one
 *   s3+https://host[:port]/bucket[/prefix][?region=...]   credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
 *                                                         and AWS_SESSION_TOKEN; s3+http:// without TLS
 * @throws INVALID_ARGUMENT when it is none of these. The message leaves passwords out.
 */
export function parseSharedUrl(text: string, environment: NodeJS.ProcessEnv = process.env): SharedOptions {
  const [first = '', ...others] = text.split(',').map((part) => part.trim());
  const url = parse(first);
  if (url.protocol === 'redis:' || url.protocol === 'rediss:') {
    const nodes = [url, ...others.map(parse)];
    const stranger = nodes.find(({ protocol }) => protocol !== url.protocol);
    if (stranger !== undefined) throw invalid(stranger.protocol, `nodes of one cluster share a scheme`);
    const cluster = nodes.length > 1 || url.searchParams.has('cluster');
    url.searchParams.delete('cluster');
    return { redis: { urls: nodes.map((node) => node.href), cluster } };
  }
  const secure = url.protocol === 's3+https:';
  if (!secure && url.protocol !== 's3+http:') throw invalid(url.protocol, 'use redis, rediss, s3+https or s3+http');
  const [bucket = '', ...rest] = url.pathname
    .split('/')
    .filter((part) => part !== '')
    .map(decodeURIComponent);
  if (bucket === '' || url.host === '' || others.length > 0) {
    throw invalid(`${url.protocol}//${url.host}`, 'give s3+https://host/bucket[/prefix]');
  }
  const accessKeyId = environment.AWS_ACCESS_KEY_ID;
  const secretAccessKey = environment.AWS_SECRET_ACCESS_KEY;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw invalid(bucket, 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  return {
    s3: {
      endpoint: `${secure ? 'https' : 'http'}://${url.host}`,
      bucket,
      prefix: rest.length === 0 ? '' : `${rest.join('/')}/`,
      region: url.searchParams.get('region') ?? environment.AWS_REGION,
      accessKeyId,
      secretAccessKey,
      sessionToken: environment.AWS_SESSION_TOKEN,
    },
  };
}

/** A connection to the server, whose client is loaded only now. */
export async function backendOf(
  options: SharedOptions,
  limits: { readonly ttlMs: number; readonly timeoutMs: number },
): Promise<RemoteBackend> {
  if ('redis' in options) {
    const { RedisBackend } = await import('./redis-backend.ts');
    return new RedisBackend({ ...options.redis, ...limits });
  }
  const { S3Backend } = await import('./s3-backend.ts');
  return new S3Backend(options.s3);
}

function parse(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalid(text.replace(/\/\/[^@]*@/, '//…@'), 'give a URL such as redis://localhost:6379');
  }
}

function invalid(what: string, remedy: string): BlockAttentionError {
  return new BlockAttentionError('INVALID_ARGUMENT', `shared store ${JSON.stringify(what)} cannot be used: ${remedy}`);
}
