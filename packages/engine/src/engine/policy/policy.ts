/**
 * A context policy: how passages are made into blocks and how a prompt reads them, beyond plain block mode (decision
 * D10). One value that everything outside this folder carries without looking inside: what it is called is its text.
 *
 * A text is `plain`, or parts with `+` between, in any order: `anchor:200`, `anchor:header+head:8`. Canonical texts are
 * equal exactly when the policies are. Adding an idea is adding a part here: how it reads, and what it does where.
 */
import { BlockAttentionError } from '../../errors.ts';
import { type Anchor, anchorForms, formatAnchor, readAnchor } from './anchor.ts';
import { formatHide, hideForms, readHide } from './hide.ts';
import { formatNeighbour, mostNeighbourTokens, neighbourForms, readNeighbour } from './neighbour.ts';
import { type PartReader, refuse } from './read-part.ts';
import { formatRecomputation, type Recomputation, readRecomputation, recomputationForms } from './recompute.ts';
import { formatSelect, readSelect, selectForms } from './select.ts';

/** What a policy consists of. Read in this folder only. */
interface PolicyParts {
  /** What passages are encoded behind; null for nothing. */
  readonly anchor: Anchor | null;
  /** Last tokens of the passage before it in its document that a passage is encoded behind, too; 0 for none. */
  readonly neighbour: number;
  /** Tokens computed again before the final block is read; null for none. */
  readonly recompute: Recomputation | null;
  /** First tokens of later blocks that the final block does not see; 0 for none. */
  readonly hide: number;
  /** Most passages that the final block reads, chosen by reading it behind each of them; 0 for all. */
  readonly select: number;
}

export interface ContextPolicy extends PolicyParts {
  /** Canonical text, as parsePolicy() reads it. */
  readonly name: string;
}

/** A policy, or its text. */
export type PolicyInput = ContextPolicy | string;

const forms = `plain, or parts with + between: ${anchorForms}, ${neighbourForms}, ${recomputationForms}, ${hideForms}, ${selectForms}`;

const readers: Readonly<Record<string, PartReader<Partial<PolicyParts>>>> = {
  anchor: (part, value) => ({ anchor: readAnchor(part, value) }),
  neighbour: (part, value) => ({ neighbour: readNeighbour(part, value) }),
  ...Object.fromEntries(
    Object.entries(readRecomputation).map(([name, read]): [string, PartReader<Partial<PolicyParts>>] => [
      name,
      (text, value) => ({ recompute: read(text, value) }),
    ]),
  ),
  hide: (part, value) => ({ hide: readHide(part, value) }),
  select: (part, value) => ({ select: readSelect(part, value) }),
};

const nothing: PolicyParts = { anchor: null, neighbour: 0, recompute: null, hide: 0, select: 0 };

/** Blocks encoded from nothing and read as they are. */
export const plainPolicy: ContextPolicy = policyOf(nothing);

/** As much of a passage's neighbour as any policy asks for. */
export const longestNeighbour: ContextPolicy = policyOf({ ...nothing, neighbour: mostNeighbourTokens });

/**
 * Reads `plain`, `anchor:200`, `neighbour:256`, `head:8`, `deviation:0.15`, `attention:0.1`, `hide:4`, `select:1`, and combinations. `none` is another name of
 * `plain`. Parts that do nothing (`head:0`) are left out.
 * @throws INVALID_ARGUMENT naming the part and what it may be
 */
export function parsePolicy(text: string): ContextPolicy {
  const parts: PolicyParts = { ...nothing };
  const seen = new Set<string>();
  for (const part of text.split('+').map((piece) => piece.trim())) {
    if (part === 'plain' || part === 'none') continue;
    const [, name = '', value] = /^([a-z]+)(?::(.*))?$/s.exec(part) ?? [];
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined) {
      throw new BlockAttentionError('INVALID_ARGUMENT', `policy is ${JSON.stringify(shortened(text))}: give ${forms}`);
    }
    const found = read(shortened(part), value);
    for (const field of Object.keys(found)) {
      if (seen.has(field)) throw refuse(shortened(part), 'another part says the same: give one of them');
      seen.add(field);
    }
    Object.assign(parts, found);
  }
  return policyOf(parts);
}

/** What a caller gave, read. @throws INVALID_ARGUMENT */
export function checkPolicy(policy: PolicyInput): ContextPolicy {
  const text: unknown = typeof policy === 'string' ? policy : policy?.name;
  if (typeof text === 'string') return parsePolicy(text);
  throw new BlockAttentionError('INVALID_ARGUMENT', `policy is ${shortened(String(text))}: give ${forms}`);
}

/**
 * What a policy costs when a question is asked, to try the cheaper ones first.
 * @returns share of the context's tokens that are computed again, for blocks of so many tokens
 */
export function recomputedShare({ recompute }: ContextPolicy, blockTokens = 128): number {
  if (recompute === null) return 0;
  return recompute.method === 'head' ? Math.min(1, recompute.tokens / blockTokens) : recompute.share;
}

/** Whether a model can do what a policy asks: some cannot compute tokens of a context again. */
export function runsOn({ recompute }: ContextPolicy, { recomputes }: { readonly recomputes: boolean }): boolean {
  return recompute === null || recomputes;
}

/** Whether two policies make the same blocks of passages. */
export function encodesAlike(one: ContextPolicy, other: ContextPolicy): boolean {
  return encodingPart(one).name === encodingPart(other).name;
}

/** The part of a policy that blocks depend on. */
export function encodingPart({ anchor, neighbour }: ContextPolicy): ContextPolicy {
  return policyOf({ ...plainPolicy, anchor, neighbour });
}

/** The part that models can be trained under: training data does not know what stands before a passage. */
export function trainingPart({ anchor }: ContextPolicy): ContextPolicy {
  return policyOf({ ...plainPolicy, anchor });
}

/** Whether blocks depend on the passages before them: they are of use where passages say what those are. */
export function seesNeighbour({ neighbour }: ContextPolicy): boolean {
  return neighbour > 0;
}

/** Whether the final block reads some of the passages alone, chosen by what the model says behind each. */
export function choosesPassages({ select }: ContextPolicy): boolean {
  return select > 0;
}

/** The part of a policy that decides what a final block sees of its context, for those that have seen it; '' for all. */
export function readingPart({ hide }: ContextPolicy): string {
  return hide === 0 ? '' : formatHide(hide);
}

/** The policy without its choice of passages: all of them are read together. */
export function readingAll(policy: ContextPolicy): ContextPolicy {
  return policyOf({ ...policy, select: 0 });
}

/** Whether the policy names a file on this machine, which a request from elsewhere must not. */
export function namesFile({ anchor }: ContextPolicy): boolean {
  return anchor?.kind === 'file';
}

function policyOf(parts: PolicyParts): ContextPolicy {
  const { anchor, neighbour, recompute, hide, select } = parts;
  const names = [
    anchor && formatAnchor(anchor),
    neighbour === 0 ? null : formatNeighbour(neighbour),
    recompute && formatRecomputation(recompute),
    hide === 0 ? null : formatHide(hide),
    select === 0 ? null : formatSelect(select),
  ].filter((name) => name !== null);
  return Object.freeze({ ...parts, name: names.length === 0 ? 'plain' : names.join('+') });
}

/** For messages: texts of a user's own may be long. */
function shortened(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
