import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FamilyAbilities } from '@block-attention/engine/internal/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { families } from '../../../packages/engine/src/model/families/index.ts';
import { Workspace } from '../../../tests/support/cli/cli-workspace.ts';
import { modelAliases } from '../../hub/index.ts';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.open();
});
afterAll(() => workspace[Symbol.dispose]());

describe('models', () => {
  it('lists every alias and the cache', async () => {
    const { stdout } = await workspace.run(['models']);
    for (const name of Object.keys(modelAliases)) expect(stdout).toContain(name);
    expect(stdout).toContain('empty');
    const { aliases, models } = (await workspace.run(['models', '--json'])).json();
    expect(aliases).toHaveLength(Object.keys(modelAliases).length);
    expect(models).toEqual([]);
  });
});

async function listedFamilies(): Promise<FamilyAbilities[]> {
  const { families: listed } = (await workspace.run(['models', '--families', '--json'])).json();
  return listed as FamilyAbilities[];
}

describe('models --families', () => {
  it('lists every architecture with what works', async () => {
    const { stdout } = await workspace.run(['models', '--families']);
    expect(stdout).toMatch(/qwen3moe +yes +yes +no +Qwen 3 MoE/);
    const listed = await listedFamilies();
    expect(listed.map(({ architecture }) => architecture)).toEqual(Object.keys(families));
    expect(listed).toContainEqual({
      architecture: 'llama',
      models: expect.any(String),
      full: true,
      block: true,
      train: true,
    });
  });

  it('is the table of docs/models.md', async () => {
    const page = readFileSync(fileURLToPath(new URL('../../../docs/models.md', import.meta.url)), 'utf8');
    const listed = await listedFamilies();
    const cell = (works: boolean) => (works ? 'yes' : 'no');
    const rows = listed.map(
      ({ architecture, models, full, block, train }) =>
        `| \`${architecture}\` | ${models} | ${cell(full)} | ${cell(block)} | ${cell(train)} |`,
    );
    const table = ['| architecture | models | full | block | train |', '|---|---|---|---|---|', ...rows].join('\n');
    const found = page.split('\n').filter((line) => /^\| (architecture|`)|^\|---\|---\|---\|---\|---\|$/.test(line));
    expect(found.join('\n'), 'docs/models.md does not have the table of `models --families`').toBe(table);
  });
});

describe('pull', () => {
  it('takes what is a file already', async () => {
    const { code, stdout } = await workspace.run(['pull', workspace.model]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${workspace.model}\n` });
    expect((await workspace.run(['pull', workspace.model, '--json'])).json()).toMatchObject({
      models: [{ reference: workspace.model, path: workspace.model, source: 'file', name: 'model' }],
    });
  });

  it('fails with the code of what is wrong', async () => {
    const offline = { env: { BLOCK_ATTENTION_OFFLINE: '1' } };
    const absent = await workspace.run(['pull', 'smollm2-135m', '--json'], offline);
    expect(absent.json()).toHaveProperty('error.code', 'MODEL_NOT_FOUND');
    expect(absent.code).toBe(1);
    expect(await workspace.run(['pull', 'pypi:name'])).toMatchObject({ code: 2 });
  });
});
