/** Every example of README and docs/*.md: commands run as they are typed, on the built command; snippets compile. */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BuiltCommand } from './support/cli/built-command.ts';
import { type Example, examples } from './support/documentation.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Fenced {
  readonly page: string;
  readonly text: string;
}

const fenced: Fenced[] = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```\w*\n(.*?)^```/gms)].map(([, text = '']) => ({
    page,
    text,
  })),
);

function exampleOf({ page, text }: Fenced): Example | undefined {
  return examples.find((one) => one.page === page && text.startsWith(one.begins));
}

it('every example is listed with what is done with it', () => {
  const unlisted = fenced
    .filter((one) => exampleOf(one) === undefined)
    .map(({ page, text }) => `${page}: ${text.split('\n')[0]}`);
  expect(unlisted, 'list them in tests/support/documentation.ts, which says how').toEqual([]);
  const gone = examples.filter((example) => !fenced.some((one) => exampleOf(one) === example));
  expect(gone, 'their pages do not have them any more: remove them').toEqual([]);
  for (const { page, begins, how, why } of examples) {
    if (how === 'shown') expect(why, `${page}: ${begins}: say why nothing runs`).toBeDefined();
  }
});

const listed = fenced.flatMap((one) => {
  const example = exampleOf(one);
  return example ? [{ ...example, text: one.text }] : [];
});

describe('commands', () => {
  const folder = mkdtempSync(join(tmpdir(), 'block-attention-docs-'));
  let command: BuiltCommand;
  const env = () => ({
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    BLOCK_ATTENTION_CACHE: join(folder, 'cache'),
  });
  const shell = (script: string) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      execFile('sh', ['-ec', script], { cwd: folder, env: env() }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: `${stdout}${stderr}` }),
      );
    });

  beforeAll(async () => {
    command = new BuiltCommand();
    // A copy: verify may leave a verdict beside a model.
    cpSync(join(root, 'models'), join(dirname(command.script), '..', '..', 'models'), { recursive: true });
    mkdirSync(join(folder, 'bin'), { recursive: true });
    const run = `exec ${JSON.stringify(process.execPath)} ${JSON.stringify(command.script)} "$@"`;
    writeFileSync(join(folder, 'bin', 'block-attention'), `#!/bin/sh\n${run}\n`, { mode: 0o755 });
    writeFileSync(join(folder, 'bin', 'npx'), `#!/bin/sh\n[ "$1" = block-attention ] || exit 9\nshift\n${run}\n`, {
      mode: 0o755,
    });
    mkdirSync(join(folder, 'docs'));
    writeFileSync(
      join(folder, 'docs', 'bridge.md'),
      '# The bridge\n\n## History\n\nThe bridge over the Arve was opened in 1934.\n',
    );
    writeFileSync(
      join(folder, 'docs', 'keys.md'),
      '# Keys\n\n## Rotation\n\nKeys are rotated every ninety days by the operator.\n',
    );
    const data = 'block-attention data --passages 4 --hops 1';
    const made = await shell(
      `${data} --count 24 --out train.jsonl; ${data} --count 12 --split test --out test.jsonl; cp test.jsonl questions.jsonl
      echo '{"title": "Varn Bridge", "text": "The Varn Bridge was opened in 1931."}' > passages.jsonl`,
    );
    expect(made.code, made.output).toBe(0);
  }, 600_000);
  afterAll(() => {
    command[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const typed = listed.filter(({ how }) => how === 'run');
  it.each(typed)(
    '$page: $begins',
    async ({ text, instead = [] }) => {
      const lines = text.split('\n');
      const prompted = lines.filter((line) => line.startsWith('$ '));
      let script = prompted.length > 0 ? prompted.map((line) => line.slice(2)).join('\n') : text;
      for (const [theirs, ours] of instead) {
        expect(script, `${theirs} does not stand there any more: correct the list`).toContain(theirs);
        script = script.replaceAll(theirs, ours);
      }
      const { code, output } = await shell(script);
      expect(code, `${script}\n${output}`).toBe(0);
    },
    300_000,
  );
});

it('snippets compile in strict mode, against the package as it is exported', () => {
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'block-attention-snippets-'));
  try {
    for (const [i, { text, given = '' }] of listed.filter(({ how }) => how === 'compile').entries()) {
      writeFileSync(join(folder, `snippet-${i}.ts`), `${given}\n${text}\nexport {};\n`);
    }
    const exported = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports as Record<
      string,
      { types?: string }
    >;
    const paths = Object.entries(exported).flatMap(([name, { types }]): [string, string[]][] =>
      types === undefined
        ? []
        : [[`block-attention${name.slice(1)}`, [join(root, types.replace('dist', 'src').replace('.d.ts', '.ts'))]]],
    );
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as {
      compilerOptions: { paths: Record<string, string[]> };
    };
    for (const [name, files] of Object.entries(compilerOptions.paths))
      paths.push([name, files.map((file) => join(root, file))]);
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { noEmit: true, paths: Object.fromEntries(paths), noUnusedLocals: false, rootDir: '/' },
      include: [join(folder, '*.ts')],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    let output = '';
    try {
      execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', folder], {
        encoding: 'utf8',
      });
    } catch (error) {
      output = String((error as { stdout?: string }).stdout);
    }
    expect(output).toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
