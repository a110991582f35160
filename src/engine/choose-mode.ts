/**
 * Which mode a request runs in, and why: what it asks for, else the engine's default, of which `auto` obeys the
 * verdict on the model (without a verdict, full attention: nobody has measured that block mode is good enough). Pure.
 */
import { BlockAttentionError } from '../errors.ts';
import { type ContextPolicy, checkPolicy, type PolicyInput, parsePolicy, plainPolicy } from './policy/policy.ts';
import type { AdapterInfo, Mode, RequestedMode } from './types.ts';
import type { StoredVerdict } from './verdict-store.ts';

export interface ModeRequest {
  readonly mode?: RequestedMode | undefined;
  readonly policy?: PolicyInput | undefined;
}

export interface ModeDefaults {
  readonly mode: RequestedMode;
  /** Undefined: what the verdict says, else `plain`. */
  readonly policy: ContextPolicy | undefined;
  readonly verdict: StoredVerdict | undefined;
  /** For the advice to verify. */
  readonly modelPath: string;
  readonly adapter?: Pick<AdapterInfo, 'path' | 'scale'> | null;
}

export interface ModeChoice {
  readonly mode: Mode;
  /** Null in full mode. */
  readonly policy: ContextPolicy | null;
  readonly requested: RequestedMode;
  /** Why `auto` became this mode; null where the mode was asked for. */
  readonly reason: string | null;
}

const modes: readonly RequestedMode[] = ['auto', 'block', 'full'];

/** @throws INVALID_ARGUMENT for what is no mode, or no policy */
export function chooseMode(request: ModeRequest, defaults: ModeDefaults): ModeChoice {
  const requested = checkMode(request.mode ?? defaults.mode);
  const asked = request.policy === undefined ? defaults.policy : checkPolicy(request.policy);
  const { verdict, modelPath, adapter } = defaults;
  const full = (reason: string | null): ModeChoice => ({ mode: 'full', policy: null, requested, reason });
  const verified = verdict?.verdict === 'block' ? parsePolicy(verdict.policy ?? 'plain') : undefined;
  if (requested === 'full') return full(null);
  if (requested === 'block')
    return { mode: 'block', policy: asked ?? verified ?? plainPolicy, requested, reason: null };
  if (verdict === undefined) {
    const advice = `block-attention verify --model ${JSON.stringify(modelPath)}${adapterFlags(adapter)} --data questions.jsonl`;
    return full(
      `no verdict on this model: find out whether block mode is good enough with \`${advice}\`, or ask for mode block`,
    );
  }
  if (verified === undefined) {
    const why = verdict.reasons[0] ?? `block mode loses more than ${points(verdict.tolerance)}`;
    return full(`verdict full: ${why}`);
  }
  // What was verified is the least that runs.
  const policy = asked === undefined || asked.name === plainPolicy.name ? verified : asked;
  const how = verified.name === plainPolicy.name ? 'block mode' : `block mode with policy ${verified.name}`;
  const differs = policy.name === verified.name ? '' : `; policy ${policy.name} was asked for and not verified`;
  return {
    mode: 'block',
    policy,
    requested,
    reason: `verdict block: ${how} was within ${points(verdict.tolerance)} of full attention on ${verdict.n} questions${differs}`,
  };
}

export function checkMode(mode: RequestedMode): RequestedMode {
  if (modes.includes(mode)) return mode;
  throw new BlockAttentionError('INVALID_ARGUMENT', `mode is ${String(mode)}: use auto, block or full`);
}

function adapterFlags(adapter: ModeDefaults['adapter']): string {
  if (!adapter) return '';
  return ` --adapter ${JSON.stringify(adapter.path)}${adapter.scale === 1 ? '' : ` --adapter-scale ${adapter.scale}`}`;
}

function points(share: number): string {
  return `${(share * 100).toFixed(1)} points`;
}
