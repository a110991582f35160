/**
 * Which mode a request runs in, and why: what it asks for, else the engine's default, of which `auto` obeys the
 * verdict on the model (without a verdict, full attention: nobody has measured that block mode is good enough). Pure.
 */
import { BlockAttentionError } from '../../errors.ts';
import {
  type ContextPolicy,
  checkPolicy,
  encodesAlike,
  type PolicyInput,
  parsePolicy,
  plainPolicy,
} from '../policy/policy.ts';
import type { AdapterInfo, Mode, RequestedMode } from '../types.ts';
import type { StoredVerdict } from './verdict-store.ts';

export interface ModeRequest {
  readonly mode?: RequestedMode | undefined;
  readonly policy?: PolicyInput | undefined;
}

export interface ModeDefaults {
  readonly mode: RequestedMode;
  /** Undefined: what the verdict says, else `fallback`. */
  readonly policy: ContextPolicy | undefined;
  /** Of block mode on a model without a verdict for it. */
  readonly fallback: ContextPolicy;
  /** What the model or adapter was fine-tuned under, if its file says so. */
  readonly trained?: ContextPolicy | undefined;
  readonly verdict: StoredVerdict | undefined;
  /** For the advice to verify. */
  readonly modelPath: string;
  readonly adapter?: Pick<AdapterInfo, 'path' | 'scale' | 'over'> | null;
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

/** @throws INVALID_ARGUMENT for what is not a mode or not a policy */
export function chooseMode(request: ModeRequest, defaults: ModeDefaults): ModeChoice {
  const requested = checkMode(request.mode ?? defaults.mode);
  const asked = request.policy === undefined ? defaults.policy : checkPolicy(request.policy);
  const { verdict, modelPath, adapter } = defaults;
  const full = (reason: string | null): ModeChoice => ({ mode: 'full', policy: null, requested, reason });
  const verified = verifiedPolicy(defaults);
  if (requested === 'full') return full(null);
  if (requested === 'block') {
    const policy = blockPolicy(request, defaults);
    return { mode: 'block', policy, requested, reason: untrained(policy, defaults.trained) };
  }
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

/** What is odd about a policy that was asked for: states that the model never saw in training. */
function untrained(policy: ContextPolicy, trained: ContextPolicy | undefined): string | null {
  if (trained === undefined || encodesAlike(policy, trained)) return null;
  return `policy ${policy.name} was asked for, though the model was fine-tuned under ${trained.name}`;
}

/** The policy of blocks and of requests in block mode. @throws INVALID_ARGUMENT */
export function blockPolicy({ policy }: ModeRequest, defaults: ModeDefaults): ContextPolicy {
  if (policy !== undefined) return checkPolicy(policy);
  return defaults.policy ?? verifiedPolicy(defaults) ?? defaults.fallback;
}

function verifiedPolicy({ verdict }: Pick<ModeDefaults, 'verdict'>): ContextPolicy | undefined {
  return verdict?.verdict === 'block' ? parsePolicy(verdict.policy ?? plainPolicy.name) : undefined;
}

export function checkMode(mode: RequestedMode): RequestedMode {
  if (modes.includes(mode)) return mode;
  throw new BlockAttentionError('INVALID_ARGUMENT', `mode is ${String(mode)}: use auto, block or full`);
}

function adapterFlags(adapter: ModeDefaults['adapter']): string {
  if (!adapter) return '';
  return `${adapterFlags(adapter.over)} --adapter ${JSON.stringify(adapter.path)}${adapter.scale === 1 ? '' : ` --adapter-scale ${adapter.scale}`}`;
}

function points(share: number): string {
  return `${(share * 100).toFixed(1)} points`;
}
