// Compiles the engine, then src/ against it, each to its dist/, with tsc, and web/ to dist/web with vite. Run by `npm ci` (prepare), so that the command works from a clone.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
let tsc;
let vite;
try {
  tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  vite = join(dirname(require.resolve('vite/package.json')), 'bin', 'vite.js');
} catch {
  // A production install (`npm ci --omit=dev`) ships dist/ already.
  if (existsSync(join(root, 'dist'))) process.exit(0);
  throw new Error('dist/ is missing and typescript or vite is not installed: run npm ci with dev dependencies');
}
const engine = join(root, 'packages', 'engine');
for (const folder of [engine, root]) {
  rmSync(join(folder, 'dist'), { recursive: true, force: true });
  execFileSync(process.execPath, [tsc, '-p', join(folder, 'tsconfig.build.json')], { stdio: 'inherit' });
}
execFileSync(process.execPath, [vite, 'build', join(root, 'web'), '--logLevel', 'warn'], { stdio: 'inherit' });
// Character maps that PDFs name without containing them: users need these of PDF.js's package, and nothing else.
const pdfjs = dirname(require.resolve('pdfjs-dist/package.json'));
cpSync(join(pdfjs, 'cmaps'), join(root, 'dist', 'rag', 'load', 'pdf', 'cmaps'), { recursive: true });
const bin = join(root, 'dist', 'cli', 'main.js');
if (existsSync(bin)) chmodSync(bin, 0o755);
