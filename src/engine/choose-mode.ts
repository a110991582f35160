/**
 * Which mode a request runs in, and why: what it asks for, else the engine's default, of which `auto` obeys the
 * verdict on the model (decision D7: without a verdict, full attention). Pure.
 */
import { BlockAttentionError } from '../errors.ts';
import { checkRepair, formatRepair, noRepair, parseRepair, type Repair } from './repair.ts';
import type { AdapterInfo, Mode, RequestedMode } from './types.ts';
import type { StoredVerdict } from './verdict-store.ts';

export interface ModeRequest {
  readonly mode?: RequestedMode | undefined;
  readonly repair?: Repair | undefined;
}

export interface ModeDefaults {
  readonly mode: RequestedMode;
  /** Undefined: what the verdict says, else none. */
  readonly repair: Repair | undefined;
  readonly verdict: StoredVerdict | undefined;
  /** For the advice to verify. */
  readonly modelPath: string;
  readonly adapter?: Pick<AdapterInfo, 'path' | 'scale'> | null;
}

export interface ModeChoice {
  readonly mode: Mode;
  /** `none` in full mode. */
  readonly repair: Repair;
  readonly requested: RequestedMode;
  /** Why `auto` became this mode; null where the mode was asked for. */
  readonly reason: string | null;
}

const modes: readonly RequestedMode[] = ['auto', 'block', 'full'];

/** @throws INVALID_ARGUMENT for what is no mode, or no repair */
export function chooseMode(request: ModeRequest, defaults: ModeDefaults): ModeChoice {
  const requested = checkMode(request.mode ?? defaults.mode);
  const wanted = request.repair ?? defaults.repair;
  const asked = wanted && checkRepair(wanted);
  if (requested === 'full') return { mode: 'full', repair: noRepair, requested, reason: null };
  if (requested === 'block') return { mode: 'block', repair: asked ?? noRepair, requested, reason: null };
  const { verdict, modelPath, adapter } = defaults;
  if (verdict === undefined) {
    const advice = `block-attention verify --model ${JSON.stringify(modelPath)}${adapterFlags(adapter)} --data questions.jsonl`;
    const reason = `no verdict on this model: find out whether block mode is good enough with \`${advice}\`, or ask for mode block`;
    return { mode: 'full', repair: noRepair, requested, reason };
  }
  if (verdict.verdict === 'full') {
    const why = verdict.reasons[0] ?? `block mode loses more than ${points(verdict.tolerance)}`;
    return { mode: 'full', repair: noRepair, requested, reason: `verdict full: ${why}` };
  }
  const verified = verdict.repair === null ? noRepair : parseRepair(verdict.repair);
  // What was verified is the least that runs.
  const repair = asked === undefined || asked.method === 'none' ? verified : asked;
  const name = formatRepair(verified);
  const how = verified.method === 'none' ? 'block mode' : `block mode with repair ${name}`;
  const differs =
    formatRepair(repair) === name ? '' : `; repair ${formatRepair(repair)} was asked for and not verified`;
  return {
    mode: 'block',
    repair,
    requested,
    reason: `verdict ${verdict.verdict}: ${how} was within ${points(verdict.tolerance)} of full attention on ${verdict.n} questions${differs}`,
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
