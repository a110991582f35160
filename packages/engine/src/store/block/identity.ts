/**
 * What a block's states depend on, and the key made of it.
 *
 * key = SHA-256 over length-prefixed fields, so no two different lists of fields give the same bytes. Everything but
 * the tokens is hashed once per identity and kept: a key then costs one hash over the block's own tokens.
 * Knows no model and no tokenizer: the engine says what identifies them.
 */
import { createHash, type Hash } from 'node:crypto';
import { BlockAttentionError } from '../../errors.ts';
import type { BlockKey } from '../block-store.ts';

/** Everything besides the tokens that a block's keys and values depend on, and who may share them. */
export interface BlockIdentity {
  /** Digest of the weights' file, in hex. */
  readonly weights: string;
  /** What identifies an adapter applied to the weights; empty without one. */
  readonly adapter: string;
  /** Version of tokenizer and template. */
  readonly tokenizer: string;
  /** RoPE configuration: kind, base, scaling, factors, in one canonical spelling. */
  readonly rope: string;
  /** Element type of the stored keys and values. */
  readonly kvType: string;
  /** Version of the payload's layout. */
  readonly format: string;
  /** How the block was encoded, where that is not from nothing and alone: empty for that. */
  readonly encoding: string;
  /** Salt of a tenant: tenants with different salts never share a block. Empty for the shared space. */
  readonly tenant: string;
}

const fieldNames = ['weights', 'adapter', 'tokenizer', 'rope', 'kvType', 'format', 'tenant'] as const;
/** Hashed behind the others, and only where they say something: keys of earlier versions stay what they are. */
const laterNames = ['encoding'] as const;

const optional: ReadonlySet<string> = new Set(['adapter', 'tenant', 'encoding']);

/** What an identity is made of: adapter, tenant and encoding default to none. */
export interface IdentityFields extends Omit<BlockIdentity, 'adapter' | 'tenant' | 'encoding'> {
  readonly adapter?: string | undefined;
  readonly tenant?: string | undefined;
  readonly encoding?: string | undefined;
}

/** Bumped when the composition of the key itself changes. */
const domain = 'block-attention key 1';

/**
 * Checks and freezes an identity: `blockKey` remembers the hashed fields of frozen identities only.
 * @throws INVALID_ARGUMENT when a field is not a string, or one that cannot be empty is.
 */
export function createIdentity(fields: IdentityFields): BlockIdentity {
  const identity: BlockIdentity = Object.freeze({
    weights: fields.weights,
    adapter: fields.adapter ?? '',
    tokenizer: fields.tokenizer,
    rope: fields.rope,
    kvType: fields.kvType,
    format: fields.format,
    tenant: fields.tenant ?? '',
    encoding: fields.encoding ?? '',
  });
  for (const name of [...fieldNames, ...laterNames]) {
    const value: unknown = identity[name];
    const mayBeEmpty = optional.has(name);
    if (typeof value !== 'string' || (value === '' && !mayBeEmpty)) {
      throw new BlockAttentionError(
        'INVALID_ARGUMENT',
        `identity field ${name} is ${JSON.stringify(value)}: give a ${mayBeEmpty ? '' : 'non-empty '}string`,
      );
    }
  }
  return identity;
}

function addField(hash: Hash, bytes: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.byteLength);
  hash.update(length).update(bytes);
}

function hashFields(identity: BlockIdentity, names: readonly (keyof BlockIdentity)[]): Hash {
  const hash = createHash('sha256');
  addField(hash, Buffer.from(domain));
  // UTF-16, because UTF-8 maps every lone surrogate to the same replacement character: two salts would collide.
  for (const name of names) addField(hash, Buffer.from(identity[name], 'utf16le'));
  return hash;
}

const prefixes = new WeakMap<BlockIdentity, Hash>();

/** The key of the block with these tokens: 64 hex digits. */
export function blockKey(identity: BlockIdentity, tokens: Int32Array): BlockKey {
  let prefix = prefixes.get(identity);
  if (prefix === undefined) {
    prefix = hashFields(identity, [...fieldNames, ...laterNames.filter((name) => identity[name] !== '')]);
    if (Object.isFrozen(identity)) prefixes.set(identity, prefix);
  }
  const hash = prefix.copy();
  addField(hash, new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
  return hash.digest('hex') as BlockKey;
}

/**
 * Digest of the model side of an identity, without the tenant and the encoding: names the model a stored block belongs to.
 * 64 hex digits.
 */
export function modelDigest(identity: BlockIdentity): string {
  return hashFields(
    identity,
    fieldNames.filter((name) => name !== 'tenant'),
  ).digest('hex');
}

/** Whether a string has the form of a key: 64 lower-case hex digits. */
export function isBlockKey(value: string): value is BlockKey {
  return /^[0-9a-f]{64}$/.test(value);
}
