/** Options of a sampler: their ranges and defaults. Knows no native call. */
import { randomInt } from 'node:crypto';
import { BlockAttentionError } from '../../errors.ts';

export interface SamplerOptions {
  /** 0 (the default) is greedy; so is anything below 0.001. At most 1000. */
  readonly temperature?: number | undefined;
  /** Keep the k likeliest tokens; 0 (the default) keeps all. */
  readonly topK?: number | undefined;
  /** Nucleus mass in (0, 1]. Defaults to 1. */
  readonly topP?: number | undefined;
  /** Keep tokens with at least this share of the likeliest one's probability, in [0, 1]. Defaults to 0. */
  readonly minP?: number | undefined;
  /** In [0.01, 100]; 1 (the default) is off. */
  readonly repeatPenalty?: number | undefined;
  /** In [-100, 100]. Defaults to 0. */
  readonly frequencyPenalty?: number | undefined;
  /** In [-100, 100]. Defaults to 0. */
  readonly presencePenalty?: number | undefined;
  /** Tokens the penalties look back on, in [0, 65536]. Defaults to 64. */
  readonly penaltyLastN?: number | undefined;
  /** In [0, 2³² − 2]. Defaults to a random one. */
  readonly seed?: number | undefined;
  /** GBNF grammar with a rule `root`. Defaults to none. */
  readonly grammar?: string | undefined;
}

export interface ResolvedSamplerOptions {
  /** 0: greedy. */
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repeatPenalty: number;
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  readonly penaltyLastN: number;
  readonly seed: number;
  readonly grammar: string | undefined;
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
  readonly whole?: boolean;
  /** `min` itself is not allowed. */
  readonly open?: boolean;
}

/** Greatest seed: libllama reads the one above it as "random". */
const maxSeed = 0xffff_fffe;
const greedyBelow = 0.001;

const ranges = {
  temperature: { min: 0, max: 1000, fallback: 0 },
  topK: { min: 0, max: 0x7fff_ffff, fallback: 0, whole: true },
  topP: { min: 0, max: 1, fallback: 1, open: true },
  minP: { min: 0, max: 1, fallback: 0 },
  repeatPenalty: { min: 0.01, max: 100, fallback: 1 },
  frequencyPenalty: { min: -100, max: 100, fallback: 0 },
  presencePenalty: { min: -100, max: 100, fallback: 0 },
  penaltyLastN: { min: 0, max: 65_536, fallback: 64, whole: true },
} as const satisfies Record<string, Range>;

/** @throws INVALID_ARGUMENT naming the option, its value and its range. */
export function resolveSamplerOptions(options: SamplerOptions): ResolvedSamplerOptions {
  const number = (name: keyof typeof ranges) => checked(name, options[name], ranges[name]);
  const { grammar } = options;
  if (grammar !== undefined && typeof grammar !== 'string') {
    throw new BlockAttentionError('INVALID_ARGUMENT', `grammar is of type ${typeof grammar}: give a GBNF text`);
  }
  const temperature = number('temperature');
  return {
    temperature: temperature < greedyBelow ? 0 : temperature,
    topK: number('topK'),
    topP: number('topP'),
    minP: number('minP'),
    repeatPenalty: number('repeatPenalty'),
    frequencyPenalty: number('frequencyPenalty'),
    presencePenalty: number('presencePenalty'),
    penaltyLastN: number('penaltyLastN'),
    seed: checked('seed', options.seed, { min: 0, max: maxSeed, fallback: randomInt(0, maxSeed), whole: true }),
    grammar,
  };
}

function checked(name: string, value: number | undefined, range: Range): number {
  if (value === undefined) return range.fallback;
  const { min, max, whole = false, open = false } = range;
  const inside = typeof value === 'number' && value >= min && value <= max && !(open && value === min);
  if (inside && (!whole || Number.isInteger(value))) return value;
  const kind = whole ? 'a whole number' : 'a number';
  throw new BlockAttentionError(
    'INVALID_ARGUMENT',
    `${name} is ${String(value)}: give ${kind} in ${open ? '(' : '['}${min}, ${max}]`,
  );
}
