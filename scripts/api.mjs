#!/usr/bin/env node
/**
 * The public surface as text, a file for each door of the packages, in docs/api, the engine's in docs/api/engine: a change
 * of the surface is a diff. Doors called internal are the repository's own and have none.
 *
 * What a door's types refer to, that door or another of the package exports, so that users can name it. A name means one
 * thing at all doors of a package.
 *
 *   node scripts/api.mjs           writes the reports
 *   node scripts/api.mjs --check   fails where they differ from what is built; run `npm run build` before
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { packages, publicDoors, readManifest } from './read-manifest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
const scratch = mkdtempSync(join(tmpdir(), 'block-attention-api-'));
const silent = { default: { logLevel: 'none' } };

/** What types refer to and no door exports, and why. */
const kept = new Map([
  ['PolicyParts', 'a policy is carried whole and named by its text; its parts are read in their own folder'],
  ['verdictFields', 'a schema: users have the type that it gives'],
  ['accountSchema', 'a schema: users have the type that it gives'],
  ['blockAttentionSchema', 'a schema: users have the type that it gives'],
]);

const exported =
  /^export (?:declare )?(?:abstract )?(?:function|interface|class|type|const|enum|namespace) (\w+)[\s\S]*?(?=\n\n|\n```)/gm;
const forgotten = /^ *\/\/ (?:Warning: |.*- )\(ae-forgotten-export\) The symbol "(\w+)".*\n/gm;

/** The reports of a package. @param at of this repository, where they lie */
function report(folder, at) {
  const target = join(root, at);
  mkdirSync(target, { recursive: true });
  const reports = new Map(
    publicDoors(readManifest(folder)).map(({ door, types }) => {
      const file = `${door === '.' ? 'index' : door.slice(2)}.api.md`;
      return [file, extract(folder, types, file)];
    }),
  );
  const names = exportsOf(reports, at);
  for (const [file, text] of reports) {
    complain(text, names, `${at}/${file}`);
    const found = plain(text);
    if (found === read(join(target, file))) continue;
    if (check) fail(`${at}/${file} is not what is built: npm run build && npm run api, and look at the diff`);
    else {
      writeFileSync(join(target, file), found);
      console.log(`${at}/${file} written`);
    }
  }
}

/** The report of one door. */
function extract(folder, types, reportFileName) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: join(folder, 'api-extractor.json'),
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, types),
      newlineKind: 'lf',
      compiler: { tsconfigFilePath: join(folder, 'tsconfig.build.json'), skipLibCheck: true },
      apiReport: { enabled: true, reportFolder: scratch, reportTempFolder: join(scratch, 'temp'), reportFileName },
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
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  return readFileSync(join(scratch, reportFileName), 'utf8');
}

/** Names that the doors of a package export. */
function exportsOf(reports, at) {
  const names = new Map();
  for (const text of reports.values()) {
    for (const [found, name] of plain(text).matchAll(exported)) {
      if (found !== (names.get(name) ?? found)) fail(`${at}: two doors export different things as ${name}: rename one`);
      names.set(name, found);
    }
  }
  return names;
}

/** Names each type that a door's types refer to and that neither a door exports nor is stated above. */
function complain(text, names, file) {
  for (const [, name] of text.matchAll(forgotten)) {
    if (!names.has(name) && !kept.has(name)) {
      fail(`${file}: no door exports ${name}, which its types refer to: export it, or write out what it stands for`);
    }
  }
}

/** A report without what API Extractor finds forgotten in its door: see complain(). */
function plain(text) {
  return text
    .replaceAll(forgotten, '')
    .replace('// Warnings were encountered during analysis:\n//\n\n', '')
    .replaceAll(/^ *\/\/\n/gm, '');
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function fail(message) {
  console.error(message);
  process.exitCode = 1;
}

try {
  report(packages.engine, 'docs/api/engine');
  report(packages.main, 'docs/api');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
