/**
 * Options of a long-running command from three places. A flag beats the environment, which beats the file, which beats
 * the default. Names are those of the flags: `--max-body`, BLOCK_ATTENTION_MAX_BODY, and `max-body` in the file.
 *
 * Every value goes through the parser of its flag, so all places accept the same spellings. Messages name the place
 * and the field, and never repeat a secret.
 */
import { readFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import type { Environment } from '@block-attention/engine/internal/platform';
import type { Command, Option } from 'commander';
import { z } from 'zod';
import { invalid } from '../terminal/errors.ts';

export type SettingSource = 'flag' | 'environment' | 'file' | 'default';

export interface Setting {
  readonly name: string;
  readonly value: unknown;
  readonly source: SettingSource;
}

/** Flags about where settings come from, and which make no sense elsewhere. */
const flagsOnly = new Set(['config', 'check', 'json', 'help']);
const secret = /key|token|shared/;
/** Flags that may be repeated: a list in the file, words in the environment. */
const several = new Set(['adapter', 'api-key', 'shared', 'cors', 'allowed-host', 'model-name']);
/** Names of files may have spaces in them: they are listed as in PATH. */
const separatorOf = (name: string) => (name === 'adapter' ? delimiter : /\s+/);

/**
 * Fills in what no flag gave. @param file path of a JSON or YAML file
 * @returns all settings and where they come from
 * @throws INVALID_ARGUMENT naming the field
 */
export async function applySettings(command: Command, env: Environment, file: string | undefined): Promise<Setting[]> {
  const options = settingsOf(command);
  const fromFile = file === undefined ? {} : await readSettings(file, options);
  return options.map((option): Setting => {
    const name = settingName(option);
    const attribute = option.attributeName();
    if (command.getOptionValueSource(attribute) === 'cli') {
      return { name, value: command.getOptionValue(attribute), source: 'flag' };
    }
    const variable = `BLOCK_ATTENTION_${name.replaceAll('-', '_').toUpperCase()}`;
    const set = env[variable];
    if (set !== undefined && set !== '') {
      const words = several.has(name) ? set.split(separatorOf(name)).filter((word) => word !== '') : set;
      return { name, value: fill(command, option, words, variable), source: 'environment' };
    }
    const value = fromFile[name];
    if (value === undefined) return { name, value: command.getOptionValue(attribute), source: 'default' };
    return { name, value: fill(command, option, value, `${file}: ${name}`), source: 'file' };
  });
}

/** A table of settings for people, secrets left out. */
export function describeSettings(
  settings: readonly Setting[],
): { name: string; value: string; source: SettingSource }[] {
  return settings.map(({ name, value, source }) => {
    const hidden = secret.test(name) && value !== undefined ? '(set)' : undefined;
    return { name, value: hidden ?? (value === undefined ? '' : JSON.stringify(value)), source };
  });
}

type Given = z.output<typeof givenSchema>;
const givenSchema = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())], {
  error: 'give a text, a number, true or false, or a list of texts',
});

async function readSettings(path: string, options: readonly Option[]): Promise<Readonly<Record<string, Given>>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw invalid(`--config ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const names = options.map(settingName);
  const schema = z.strictObject(Object.fromEntries(names.map((name) => [name, givenSchema.optional()])));
  const parsed = schema.safeParse(await parse(path, text));
  if (parsed.success) return dropUndefined(parsed.data);
  const [issue] = parsed.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    throw invalid(`${path}: ${issue.keys.join(', ')} is not a setting: use ${names.join(', ')}`);
  }
  throw invalid(`${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'malformed'}`);
}

async function parse(path: string, text: string): Promise<unknown> {
  try {
    if (path.endsWith('.json')) return JSON.parse(text);
    const { parse: parseYaml } = await import('yaml');
    // An empty file sets nothing.
    return parseYaml(text) ?? {};
  } catch (error) {
    // The parser's message quotes the text, which may hold keys: its place is enough.
    const kind = path.endsWith('.json') ? 'JSON' : 'YAML';
    throw invalid(`${path} is not ${kind}${placeOf(error, text)}: give one object of settings`);
  }
}

/** ` (line 3, column 7)`; empty where the parser does not tell. */
function placeOf(error: unknown, text: string): string {
  if (!(error instanceof Error)) return '';
  const [place] = 'linePos' in error && Array.isArray(error.linePos) ? (error.linePos as unknown[]) : [];
  if (typeof place === 'object' && place !== null && 'line' in place && 'col' in place) {
    return ` (line ${String(place.line)}, column ${String(place.col)})`;
  }
  const offset =
    /at position (\d+)/.exec(error.message)?.[1] ?? (/ end of JSON /.test(error.message) ? text.length : undefined);
  if (offset === undefined) return '';
  const before = text.slice(0, Number(offset)).split('\n');
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
}

/** Gives an option a value as if its flag had been used. */
function fill(command: Command, option: Option, given: Given, where: string): unknown {
  const attribute = option.attributeName();
  const set = (value: unknown) => {
    command.setOptionValueWithSource(attribute, value, 'config');
    return value;
  };
  const off = given === false || given === 'false';
  if (!option.required) {
    if (off || given === true || given === 'true') return set(!off);
    throw invalid(`${where}: give true or false`);
  }
  if (off && command.options.some((other) => other.negate && other.attributeName() === attribute)) return set(false);
  if (Array.isArray(given) && !several.has(settingName(option))) throw invalid(`${where}: give one value`);
  let value: unknown;
  for (const word of [given].flat()) {
    try {
      value = option.parseArg
        ? (option.parseArg as (text: string, before: unknown) => unknown)(String(word), value)
        : word;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw invalid(`${where}: ${message}`);
    }
  }
  return set(option.parseArg ? value : String(value));
}

/** One option per setting: of `--store DIR` and `--no-store` the first. */
function settingsOf(command: Command): Option[] {
  const all = command.options.filter((option) => !flagsOnly.has(settingName(option)));
  return all.filter(
    (option) => !option.negate || !all.some((other) => other !== option && settingName(other) === settingName(option)),
  );
}

/** `--no-store` and `--store` are one setting. */
function settingName(option: Option): string {
  return option.name().replace(/^no-/, '');
}

function dropUndefined(all: Readonly<Record<string, Given | undefined>>): Record<string, Given> {
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
