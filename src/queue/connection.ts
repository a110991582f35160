/** A Redis or Valkey that holds a job queue: how it is named, and that it answers. */

import { BlockAttentionError } from '@block-attention/engine/internal/base';
import { parseSharedUrl } from '@block-attention/engine/internal/store';
import { Cluster, Redis } from 'ioredis';

export interface QueueLocation {
  /** `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, several joined by commas for a cluster. */
  readonly url: string;
  /** Queues of different names on one server do not meet. Defaults to `encode`. */
  readonly name?: string | undefined;
}

/** In braces, so that a cluster keeps all of a queue's keys on one node. */
export const keyPrefix = '{block-attention}';
export const defaultQueueName = 'encode';

const answerMs = 5000;

/**
 * Connects, and waits for the first answer. The connection then outlives outages of the server.
 * @throws QUEUE_UNREACHABLE when there is no answer in 5 s; INVALID_ARGUMENT when the URL is not a Redis
 */
export async function connectQueue({ url, name = defaultQueueName }: QueueLocation): Promise<Redis | Cluster> {
  const parsed = parseSharedUrl(url);
  if (!('redis' in parsed)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `queue ${printableUrl(url)} is not a Redis: give redis://host:port`,
    );
  }
  if (!/^[\w.-]{1,64}$/.test(name)) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `queue name ${JSON.stringify(name)}: use letters, digits, _ . -`);
  }
  const client = open(parsed.redis);
  let reason = 'no answer';
  client.on('error', (error: Error) => {
    reason = error.message || error.name;
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(reason)), answerMs);
    });
    await Promise.race([client.ping(), late]);
    return client;
  } catch (error) {
    client.disconnect();
    const why = error instanceof Error ? error.message : String(error);
    const message = `the queue at ${printableUrl(url)} does not answer (${why}): start a Redis there, or name another`;
    throw new BlockAttentionError('QUEUE_UNREACHABLE', message, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

function open({ urls, cluster }: { readonly urls: readonly string[]; readonly cluster?: boolean | undefined }) {
  // What a queue needs: commands wait for the connection to come back.
  const options = { maxRetriesPerRequest: null };
  const [first = ''] = urls;
  if (cluster !== true) return new Redis(first, options);
  const { username, password, protocol } = new URL(first);
  const redisOptions = {
    ...options,
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' ? { tls: {} } : {}),
  };
  return new Cluster([...urls], { redisOptions });
}

/** Without what stands before an @: it may be a password. */
function printableUrl(url: string): string {
  return url.replace(/\/\/[^@,]*@/g, '//…@');
}
