/**
 * GET /: the playground, files that the build left in dist/web. They are read once, at start; nothing else is served.
 *
 * The page needs no key: it asks for one when the API does.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlockAttentionError } from '@block-attention/engine/internal/base';
import type { App } from '../context.ts';

interface StaticFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** No script or style but the page's own files, no connection but to this server. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** @param folder of the built page. Defaults to where the build puts it, seen from dist/ and from src/ */
export function addPlayground(app: App, folder: string | undefined = builtFolder()): void {
  const files = folder === undefined ? new Map<string, StaticFile>() : readFiles(folder);
  app.get('/', (c) => answer(files, 'index.html', c.req.header('if-none-match')));
  app.get('/assets/:name', (c) => answer(files, `assets/${c.req.param('name')}`, c.req.header('if-none-match')));
}

function answer(files: ReadonlyMap<string, StaticFile>, path: string, known: string | undefined): Response {
  const file = files.get(path);
  if (file === undefined) {
    const message =
      files.size === 0 ? 'the playground is not built: npm run build' : 'the playground has no such file: reload it';
    throw new BlockAttentionError('NOT_FOUND', message);
  }
  const { body, headers } = file;
  const unchanged = known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === headers.etag);
  return unchanged ? new Response(null, { status: 304, headers }) : new Response(body, { headers });
}

function readFiles(folder: string): ReadonlyMap<string, StaticFile> {
  const assets = join(folder, 'assets');
  const paths = ['index.html', ...(existsSync(assets) ? readdirSync(assets).map((name) => `assets/${name}`) : [])];
  return new Map(paths.map((path) => [path, readStatic(join(folder, path), path !== 'index.html')]));
}

/** @param hashed whether the name changes with the content */
function readStatic(path: string, hashed: boolean): StaticFile {
  const body = new Uint8Array(readFileSync(path));
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  return {
    body,
    headers: {
      'content-type': contentTypes[extname(path)] ?? 'application/octet-stream',
      etag: `"${digest}"`,
      'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-security-policy': contentSecurityPolicy,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    },
  };
}

/** Undefined where nothing was built. */
function builtFolder(): string | undefined {
  const candidates = ['../../web', '../../../dist/web'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return candidates.find((folder) => existsSync(join(folder, 'index.html')));
}
