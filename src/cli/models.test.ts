import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Workspace } from '../../tests/support/cli-workspace.ts';
import { modelAliases } from '../models/index.ts';

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
