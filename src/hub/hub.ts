/**
 * Finding a file on the Hugging Face hub: its address, size and SHA-256. The transfer itself is http-download's.
 *
 * `HF_ENDPOINT` names another server with the same API; `HF_TOKEN` is sent to that server only.
 */

import type { Environment } from '@block-attention/engine/internal/platform';
import { HubApiError, type PathInfo, pathsInfo } from '@huggingface/hub';
import type { RemoteFile } from './http-download.ts';
import { connectionError, statusError } from './http-response.ts';
import type { HubReference } from './reference.ts';
import { type NetworkLimits, withRetries } from './retry.ts';
import { SourceError } from './source-error.ts';

const defaultEndpoint = 'https://huggingface.co';

/**
 * Asks the hub about a file. A hub that cannot be reached fails at once or after `limits.connectTimeoutMs`: another
 * source may do, and a blocked network does not unblock within seconds.
 * @throws SourceError
 */
export async function locateOnHub(
  reference: HubReference,
  options: { env: Environment; limits: NetworkLimits; signal: AbortSignal | undefined },
): Promise<RemoteFile> {
  const endpoint = hubEndpoint(options.env);
  const info = await withRetries(() => askHub(reference, endpoint, options), options);
  const encoded = reference.file.split('/').map(encodeURIComponent).join('/');
  return {
    url: `${endpoint}/${reference.owner}/${reference.repo}/resolve/${encodeURIComponent(reference.revision)}/${encoded}`,
    headers: authorization(options.env),
    sha256: sha256Of(info),
    bytes: info.lfs?.size ?? info.size,
  };
}

async function askHub(
  reference: HubReference,
  endpoint: string,
  options: { env: Environment; limits: NetworkLimits; signal: AbortSignal | undefined },
): Promise<PathInfo> {
  const { host } = new URL(endpoint);
  const timeout = AbortSignal.timeout(options.limits.connectTimeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const authorized = authorization(options.env);
  let retryAfter: string | null = null;
  let found: PathInfo[];
  try {
    found = await pathsInfo({
      repo: { type: 'model', name: `${reference.owner}/${reference.repo}` },
      paths: [reference.file],
      revision: reference.revision,
      hubUrl: endpoint,
      // The library wants tokens of the hub's own form; other servers have other tokens.
      fetch: async (input, init) => {
        const headers = { ...Object.fromEntries(new Headers(init?.headers)), ...authorized };
        const response = await fetch(input, { ...init, headers, signal });
        retryAfter = response.headers.get('retry-after');
        return response;
      },
    });
  } catch (error) {
    if (timeout.aborted) throw new SourceError(`${host} did not answer within ${options.limits.connectTimeoutMs} ms`);
    if (error instanceof HubApiError) throw statusError(error.statusCode, host, retryAfter);
    if (error instanceof SyntaxError) throw new SourceError(`${host} does not answer as a model hub`, { cause: error });
    throw new SourceError(connectionError(error, host).message, { cause: error });
  }
  const info = found.find((entry) => entry.path === reference.file && entry.type === 'file');
  if (info !== undefined) return info;
  throw new SourceError(
    `${host} has no file '${reference.file}' in ${reference.owner}/${reference.repo} at ${reference.revision}`,
  );
}

function hubEndpoint(env: Environment): string {
  const text = (env.HF_ENDPOINT || defaultEndpoint).replace(/\/+$/, '');
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new SourceError(`HF_ENDPOINT is not an http or https URL: '${text}'`);
  }
  return text;
}

function authorization(env: Environment): Record<string, string> {
  const token = env.HF_TOKEN?.trim();
  if (!token) return {};
  // The error `fetch` would give repeats the header, and with it the token.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new SourceError('HF_TOKEN holds characters no token has: set it again');
  return { authorization: `Bearer ${token}` };
}

/** The hub names large files by their SHA-256. Small ones have a git hash only, and no model is small. */
function sha256Of(info: PathInfo): string | undefined {
  const digest = info.lfs?.oid.replace(/^sha256:/, '').toLowerCase();
  return digest !== undefined && /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}
