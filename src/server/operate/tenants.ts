/**
 * API keys to tenants, tenants to salts.
 *
 * A salt enters every block key, so tenants share no block and cannot time each other's. Keys are kept as digests of
 * a random secret: comparing those takes the same time whatever was sent.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { BlockAttentionError } from '@block-attention/engine/internal/base';

export interface ApiKey {
  readonly key: string;
  /** Keys of one tenant share blocks. Defaults to a tenant of the key's own. */
  readonly tenant?: string | undefined;
}

export interface Tenant {
  /** For logs and queues. */
  readonly name: string;
  /** Salt of block keys; undefined on a server without keys, which shares blocks with the command line. */
  readonly salt: string | undefined;
}

const anybody: Tenant = { name: 'default', salt: undefined };
const tenantName = /^[\w.-]{1,64}$/;

/** `KEY` or `KEY=tenant`. @throws INVALID_ARGUMENT; the message does not repeat the key */
export function parseApiKey(text: string): ApiKey {
  const at = text.lastIndexOf('=');
  const tenant = text.slice(at + 1);
  const named = at > 0 && tenantName.test(tenant);
  const key = named ? text.slice(0, at) : text;
  if (!/^[\x21-\x7e]{8,256}$/.test(key)) {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      'an API key is malformed: give KEY or KEY=tenant, the key of 8 to 256 visible ASCII characters',
    );
  }
  return named ? { key, tenant } : { key };
}

export class Tenants {
  readonly #secret: string;
  readonly #known: { readonly digest: Buffer; readonly tenant: Tenant }[];
  readonly #pepper = randomBytes(32);

  /** @param secret makes salts: the same secret finds the blocks of an earlier process again */
  constructor(keys: readonly ApiKey[], secret: string) {
    this.#secret = secret;
    this.#known = keys.map(({ key, tenant }) => {
      const name = tenant ?? `key-${hmac(secret, `key ${key}`).toString('hex').slice(0, 12)}`;
      const salt = hmac(secret, `tenant ${name}`).toString('hex');
      return { digest: hmac(this.#pepper, key), tenant: { name, salt } };
    });
  }

  /** Whether clients have to show a key. */
  get required(): boolean {
    return this.#known.length > 0;
  }

  /** Names of all tenants, each once. */
  get names(): string[] {
    return [...new Set(this.#known.map(({ tenant }) => tenant.name))];
  }

  /** All there are; without keys the one that everybody is. */
  get all(): Tenant[] {
    if (!this.required) return [anybody];
    return [...new Map(this.#known.map(({ tenant }) => [tenant.name, tenant])).values()];
  }

  /** The tenant of an `Authorization` header. @throws UNAUTHORIZED */
  of(authorization: string | undefined): Tenant {
    if (!this.required) return anybody;
    const sent = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (sent !== undefined) {
      const digest = hmac(this.#pepper, sent);
      let found: Tenant | undefined;
      for (const entry of this.#known) if (timingSafeEqual(entry.digest, digest)) found = entry.tenant;
      if (found) return found;
    }
    const what = sent === undefined ? 'no API key was sent' : 'the API key is unknown';
    throw new BlockAttentionError('UNAUTHORIZED', `${what}: send "Authorization: Bearer KEY"`);
  }

  /** A part of a tenant: its own salt, the tenant's turns. Undefined gives the tenant itself. */
  within(tenant: Tenant, part: string | undefined): Tenant {
    if (part === undefined) return tenant;
    const salt = hmac(this.#secret, JSON.stringify(['part', tenant.salt ?? '', part])).toString('hex');
    return { name: tenant.name, salt };
  }
}

/** Whether two secrets are equal, in time that does not depend on them. */
export function sameSecret(a: string, b: string): boolean {
  const pepper = randomBytes(32);
  return timingSafeEqual(hmac(pepper, a), hmac(pepper, b));
}

function hmac(secret: string | Buffer, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}
