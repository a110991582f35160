#!/usr/bin/env node
/**
 * The public surface as text, a file for each door of the package, in docs/api: a change of the surface is a diff.
 *
 *   node scripts/api.mjs           writes the reports
 *   node scripts/api.mjs --check   fails where they differ from what is built; run `npm run build` before
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { readManifest } from './read-manifest.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const check = process.argv.includes('--check');
const folder = join(root, 'docs', 'api');
const scratch = mkdtempSync(join(tmpdir(), 'block-attention-api-'));
const { exports: doors } = readManifest();
const silent = { default: { logLevel: 'none' } };
mkdirSync(folder, { recursive: true });
try {
  for (const [door, { types }] of Object.entries(doors)) {
    if (types === undefined) continue;
    const name = door === '.' ? 'index' : door.slice(2);
    const config = ExtractorConfig.prepare({
      configObjectFullPath: join(root, 'api-extractor.json'),
      packageJsonFullPath: join(root, 'package.json'),
      configObject: {
        projectFolder: root,
        mainEntryPointFilePath: join(root, types),
        newlineKind: 'lf',
        compiler: { tsconfigFilePath: join(root, 'tsconfig.build.json'), skipLibCheck: true },
        apiReport: { enabled: true, reportFolder: folder, reportTempFolder: scratch, reportFileName: `${name}.api.md` },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: {
          compilerMessageReporting: silent,
          extractorMessageReporting: {
            ...silent,
            'ae-forgotten-export': { logLevel: 'none', addToApiReportFile: true },
          },
          tsdocMessageReporting: silent,
        },
      },
    });
    const { apiReportChanged } = Extractor.invoke(config, {
      localBuild: !check,
      messageCallback: (message) => {
        message.handled = true;
      },
    });
    if (!apiReportChanged) continue;
    if (check) {
      console.error(`docs/api/${name}.api.md is not what is built: npm run build && npm run api, and look at the diff`);
      process.exitCode = 1;
    } else console.log(`docs/api/${name}.api.md written`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
