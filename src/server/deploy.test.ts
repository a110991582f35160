import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { capture } from '../../tests/support/cli/cli-capture.ts';
import { Workplace } from './testing/workplace.ts';

const folder = fileURLToPath(new URL('../../deploy', import.meta.url));
const textOf = (name: string) => readFileSync(join(folder, name), 'utf8');
const workplace = new Workplace();
beforeAll(() => workplace.open());
afterAll(() => workplace.close());

describe('the Grafana dashboard', () => {
  it('asks for metrics that the server has, and for all of them but process internals', async () => {
    const metrics = await (await workplace.server().app.request('/metrics')).text();
    const names = [...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`] : [name],
    );
    const { panels } = JSON.parse(textOf('grafana-dashboard.json'));
    const queries: string[] = panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    );
    const asked = new Set(queries.flatMap((query) => query.match(/block_attention_\w+/g) ?? []));
    expect([...asked].filter((name) => !names.includes(name))).toEqual([]);
    expect(names.filter((name) => !asked.has(name) && !name.includes('store_blocks'))).toEqual([
      'block_attention_recomputed_tokens_total',
      'block_attention_store_pinned_blocks',
    ]);
  });

  it('lays its panels out without overlap', () => {
    const { panels } = JSON.parse(textOf('grafana-dashboard.json'));
    const cells = new Set<string>();
    for (const { gridPos } of panels as { gridPos: Record<'x' | 'y' | 'w' | 'h', number> }[]) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x} ${y}`)).toBe(false);
          cells.add(`${x} ${y}`);
        }
      }
    }
  });
});

describe('files to deploy', () => {
  const settings = async (argv: string[], env: Record<string, string>) => {
    const { code, stderr, json } = await capture(['serve', '--check', '--json', ...argv], { env });
    expect(stderr.split('\n').filter((line) => line.startsWith('error'))).toEqual([]);
    expect(code).toBe(0);
    return new Map(
      (json() as { settings: { name: string; value: string; source: string }[] }).settings.map((one) => [
        one.name,
        one,
      ]),
    );
  };

  it('the example of a configuration is one', async () => {
    const found = await settings(['--config', join(folder, 'config.example.yaml')], {});
    expect(found.get('prefix-memory')).toMatchObject({ source: 'file', value: String(256 * 2 ** 20) });
  });

  it('compose sets variables that the server reads, and waits for what it needs', async () => {
    const { services, secrets, volumes } = parse(textOf('compose.yaml'));
    const { environment } = services.server;
    const env = Object.fromEntries(
      Object.entries<string>(environment).map(([name, value]) => [name, value.replace(/\$\{\w+:-(.*)\}/, '$1')]),
    );
    const found = await settings([], env);
    for (const name of Object.keys(env)) {
      const setting = name.replace('BLOCK_ATTENTION_', '').toLowerCase().replaceAll('_', '-');
      expect(found.get(setting)?.source, name).toBe('environment');
    }
    expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.keys(services.server.depends_on)));
    expect(Object.keys(secrets)).toEqual(services.server.secrets);
    for (const mount of services.server.volumes) expect(Object.keys(volumes)).toContain(mount.split(':')[0]);
  });

  it('the image starts the command that the package has, with variables it reads', async () => {
    const dockerfile = textOf('Dockerfile');
    const { bin, files } = JSON.parse(readFileSync(join(folder, '../package.json'), 'utf8'));
    const entry = /ENTRYPOINT (\[.*\])/.exec(dockerfile)?.[1] ?? '[]';
    expect(JSON.parse(entry)).toEqual(['node', `node_modules/block-attention/${bin['block-attention']}`]);
    expect(files).toContain('dist');
    const variables = Object.fromEntries(
      [...dockerfile.matchAll(/(BLOCK_ATTENTION_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
    );
    expect(Object.keys(variables)).toEqual(['BLOCK_ATTENTION_CACHE', 'BLOCK_ATTENTION_HOST', 'BLOCK_ATTENTION_PORT']);
    const found = await settings([], variables);
    expect([found.get('host')?.source, found.get('port')?.source]).toEqual(['environment', 'environment']);
    expect(dockerfile).toMatch(/^USER node$/m);
  });
});
