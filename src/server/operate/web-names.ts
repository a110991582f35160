/** Origins and host names as browsers write them. Knows no request. */
import { BlockAttentionError } from '@block-attention/engine/internal/base';

/**
 * An origin as browsers write it: `https://app.example`, `http://localhost:3000`, `app://name`, `null`, or `*`.
 * @throws INVALID_ARGUMENT
 */
export function parseOrigin(text: string): string {
  if (text === '*' || text === 'null') return text;
  const url = /^https?:/i.test(text) ? urlOf(text) : undefined;
  if (url !== undefined && url.origin === url.href.replace(/\/$/, '')) return url.origin;
  if (url === undefined && /^[a-z][a-z0-9+.-]{0,63}:\/\/[^\s/?#@]{1,255}$/i.test(text)) return text.toLowerCase();
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is not an origin: give scheme, host and port alone, such as https://app.example, or "*"`,
  );
}

/** A host name, `name:port`, or `*`. @throws INVALID_ARGUMENT */
export function parseHost(text: string): string {
  if (text === '*') return text;
  const url = hostUrl(text);
  if (url !== undefined) return /:\d+$/.test(text) ? `${url.hostname}:${url.port || '80'}` : url.hostname;
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text)} is not a host name: give a name such as ba.example, with a port or without, or "*"`,
  );
}

/** The URL that a `Host` header stands for; undefined for what is none. */
export function hostUrl(host: string): URL | undefined {
  return /^[^\s/?#@\\]{1,255}$/.test(host) ? urlOf(`http://${host}`) : undefined;
}

/** A URL; undefined for what is none. */
export function urlOf(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
