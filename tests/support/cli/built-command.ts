/** The command as users run it: compiled. For tests. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export class BuiltCommand implements Disposable {
  // Below node_modules, so that dependencies are found.
  readonly #folder: string;

  constructor() {
    const cache = join(root, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    this.#folder = mkdtempSync(join(cache, 'block-attention-'));
    const engine = join(this.#folder, 'node_modules', '@block-attention', 'engine');
    const sources = join(root, 'packages', 'engine');
    compile(sources, engine);
    cpSync(join(sources, 'verdicts'), join(engine, 'verdicts'), { recursive: true });
    symlinkSync(join(sources, 'native'), join(engine, 'native'));
    compile(root, this.#folder);
  }

  get script(): string {
    return join(this.#folder, 'dist', 'cli', 'main.js');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A package's sources as they are now, compiled into `to`/dist unchecked, and its manifest beside them. */
function compile(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, 'package.json'), join(to, 'package.json'));
  const config = {
    extends: join(from, 'tsconfig.build.json'),
    compilerOptions: {
      outDir: join(to, 'dist'),
      rootDir: join(from, 'src'),
      noCheck: true,
      declaration: false,
      sourceMap: false,
    },
    include: [join(from, 'src')],
    exclude: [join(from, 'src/**/*.test.ts'), join(from, 'src/**/testing/**')],
  };
  const project = join(to, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(config));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
}
