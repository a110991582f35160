/**
 * Which pages in a browser may use the server. Programs that are not browsers send none of these headers and pass.
 *
 * Two attacks are kept out. A page of another origin sends requests that need no preflight: the browser says where they
 * come from (`Origin`, `Sec-Fetch-Site`), and nothing but its own page and the origins that `--cors` names get in. By DNS
 * rebinding a page makes its own name mean this machine and so has the same origin: then `Host` is that name, which is
 * none of the server's. Host names are not checked where clients have to show an API key, which such a page has not,
 * unless names were given.
 */
import { isIP } from 'node:net';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { Context, MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { ServerEnv } from '../context.ts';
import { hostUrl, parseHost, parseOrigin, urlOf } from './web-names.ts';

export interface GuardOptions {
  /** Origins of other pages that may send requests and read the answers; `*` for all. */
  readonly origins: readonly string[];
  /** Names of this server, with a port or for any port; `*` for all. Loopback names and IP addresses always are. */
  readonly hosts: readonly string[];
  /** Whether clients have to show an API key. */
  readonly keyed: boolean;
}

/** How long a browser may remember what it was allowed, in seconds. */
const preflightSeconds = 600;
const methods = ['GET', 'HEAD', 'POST', 'DELETE'];

/** Refuses what a foreign page sent. */
export function browserGuard(options: GuardOptions): MiddlewareHandler<ServerEnv> {
  const origins = new Set(options.origins.map(parseOrigin));
  const hosts = new Set(options.hosts.map(parseHost));
  const checksHost = !options.keyed || hosts.size > 0;
  const isListed = (origin: string) => origins.has('*') || origins.has(origin.toLowerCase());
  return async (c, next) => {
    const host = c.req.header('host');
    if (checksHost && host !== undefined && !isOwnHost(host, hosts)) {
      const name = JSON.stringify(host.slice(0, 255));
      throw forbidden(`${name} is not a name of this server: start it with --allowed-host, or use its address`);
    }
    const origin = c.req.header('origin');
    if (origin !== undefined && !isListed(origin) && !isOwnPage(c, origin, host, hosts, options.keyed)) {
      const page = JSON.stringify(origin.slice(0, 255));
      throw forbidden(`the page ${page} may not use this server: start it with --cors and that origin`);
    }
    if (origin === undefined && isForeignLoad(c)) {
      throw forbidden(
        'another page may link to this server, but not load from it: start it with --cors and its origin',
      );
    }
    await next();
  };
}

/** Headers for the pages of the listed origins, and the answer to a browser that asks first. */
export function corsHeaders({ origins }: Pick<GuardOptions, 'origins'>): MiddlewareHandler<ServerEnv> {
  const listed = new Set(origins.map(parseOrigin));
  const write = cors({
    origin: (origin) => {
      if (listed.has('*')) return '*';
      return listed.has(origin.toLowerCase()) ? origin : null;
    },
    allowMethods: methods,
    exposeHeaders: ['x-request-id', 'retry-after'],
    maxAge: preflightSeconds,
  });
  return async (c, next) => {
    // Not a browser's question: what the server knows at all.
    if (c.req.method === 'OPTIONS' && c.req.header('origin') === undefined) {
      return c.body(null, 204, { allow: [...methods, 'OPTIONS'].join(', ') });
    }
    if (listed.size === 0) return next();
    const answer = await write(c, next);
    if (answer !== undefined) return answer;
    c.res.headers.append('vary', 'Origin');
    return undefined;
  };
}

/** Whether a request comes from a page that this server itself gave out. */
function isOwnPage(
  c: Context<ServerEnv>,
  origin: string,
  host: string | undefined,
  hosts: ReadonlySet<string>,
  keyed: boolean,
): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin') return false;
  const page = /^https?:/i.test(origin) ? urlOf(origin) : undefined;
  if (page === undefined) return false;
  if (page.host === hostUrl(host ?? '')?.host) return true;
  // A proxy that writes a Host of its own: the page has the name that the proxy is known by. With a key in place of a
  // cookie there is nothing that a browser would send by itself, so its own word is enough.
  return hosts.has(page.hostname) || hosts.has(page.host) || hosts.has('*') || (keyed && site === 'same-origin');
}

/** Whether a page of another origin loads this as an image, script, frame or the like. Links may lead here. */
function isForeignLoad(c: Context<ServerEnv>): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site === undefined || site === 'same-origin' || site === 'none') return false;
  const isLink = c.req.header('sec-fetch-mode') === 'navigate' && c.req.header('sec-fetch-dest') === 'document';
  return !(isLink && c.req.method === 'GET');
}

function isOwnHost(host: string, hosts: ReadonlySet<string>): boolean {
  if (hosts.has('*')) return true;
  const url = hostUrl(host);
  if (url === undefined) return false;
  const name = url.hostname.replace(/\.$/, '');
  if (name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  return hosts.has(name) || hosts.has(`${name}:${url.port || '80'}`);
}

function forbidden(message: string): BlockAttentionError {
  return new BlockAttentionError('FORBIDDEN', message);
}
