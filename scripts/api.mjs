#!/usr/bin/env node
/**
 * The public surface as text, a file for each door of the packages, in docs/api, the engine's in docs/api/engine: a change
 * of the surface is a diff. Doors called internal are the repository's own and have none.
 *
 *   node scripts/api.mjs           writes the reports
 *   node scripts/api.mjs --check   fails where they differ from what is built; run `npm run build` before
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { packages, publicDoors, readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
const scratch = mkdtempSync(join(tmpdir(), 'block-attention-api-'));
const silent = { default: { logLevel: 'none' } };

/** The reports of a package. @param at of this repository, where they lie */
function report(folder, at) {
  mkdirSync(join(root, at), { recursive: true });
  for (const { door, types } of publicDoors(readManifest(folder))) {
    const name = door === '.' ? 'index' : door.slice(2);
    const config = ExtractorConfig.prepare({
      configObjectFullPath: join(folder, 'api-extractor.json'),
      packageJsonFullPath: join(folder, 'package.json'),
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: join(folder, types),
        newlineKind: 'lf',
        compiler: { tsconfigFilePath: join(folder, 'tsconfig.build.json'), skipLibCheck: true },
        apiReport: {
          enabled: true,
          reportFolder: join(root, at),
          reportTempFolder: scratch,
          reportFileName: `${name}.api.md`,
        },
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
      console.error(`${at}/${name}.api.md is not what is built: npm run build && npm run api, and look at the diff`);
      process.exitCode = 1;
    } else console.log(`${at}/${name}.api.md written`);
  }
}

try {
  report(packages.engine, 'docs/api/engine');
  report(packages.main, 'docs/api');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
