/** The choice of ggml's build for the CPU, in processes of their own: libraries are loaded once. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { cpuVariants, cpuVariantVariable, library, loadLibrary } from './ffi/library.ts';

await loadLibrary('cpu');
const variants = cpuVariants(library().directory);

const script = `
const { Backend } = await import('./packages/engine/src/ggml/device/backend.ts');
const { readFileSync } = await import('node:fs');
try {
  const backend = await Backend.open({ device: 'cpu', threads: 1 });
  const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
  console.log(JSON.stringify({ name: backend.name, loaded: [...new Set(maps.match(/ggml-cpu-\\w+/g))] }));
  backend.dispose();
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}`;

function open(variant: string): unknown {
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, [cpuVariantVariable]: variant },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe(`${cpuVariantVariable}`, () => {
  it('names what it is given and what there is, when the package does not hold it', () => {
    const refused = open('pentium') as { code: string; message: string };
    expect(refused.code).toBe('BACKEND_UNAVAILABLE');
    expect(refused.message).toContain('is "pentium", which the package does not hold: unset it, or give one of');
    for (const variant of variants) expect(refused.message).toContain(variant);
  });

  // Platforms with one build for all CPUs have nothing to choose.
  const narrowest = variants.filter((variant) => ['x64', 'armv8.0_1'].includes(variant));
  it.each(narrowest)('loads %s and no other', (variant) => {
    const loaded = process.platform === 'linux' ? [`ggml-cpu-${variant.split('.')[0]}`] : [];
    expect(open(variant)).toEqual({ name: 'CPU', loaded });
  });
});
