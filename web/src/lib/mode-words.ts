/** How answers are made here and why, in plain words, with the way to better ones. */
import type { ModelInfo } from '../api/types.ts';
import { counted } from './format.ts';

export interface ModeWords {
  readonly headline: string;
  readonly why: string;
  /** What can be done, with a command where there is one. */
  readonly better: string | undefined;
  readonly command: string | undefined;
}

export function modeWords({ id, block_attention: facts }: ModelInfo): ModeWords {
  const reuse = 'Passages are read once and reused';
  const again = 'Every question reads its passages again';
  const verify = `block-attention verify --model ${id} --documents ./docs`;
  if (facts?.fallback) {
    return {
      headline: again,
      why: `Checks of this server found answers with reused passages too different: ${facts.fallback}.`,
      better: 'Measure it on your documents; a policy that recomputes a part, such as --policy head:8, may be enough.',
      command: verify,
    };
  }
  const { mode_default: asked = 'auto', verdict, learning } = facts ?? {};
  if (asked === 'full') {
    const better = 'Start without --mode full to let passages be reused where that is as good.';
    return { headline: again, why: 'The server was started with --mode full.', better, command: undefined };
  }
  if (asked === 'block') {
    return {
      headline: reuse,
      why:
        verdict === 'block'
          ? 'Measured: as good as reading them again.'
          : 'The server was started with --mode block. Nobody has measured whether answers are as good with this model.',
      better: verdict === 'block' ? undefined : 'Measure it on your documents:',
      command: verdict === 'block' ? undefined : verify,
    };
  }
  if (learning?.state === 'block') {
    return {
      headline: reuse,
      why: `While it was idle, the server compared both ways on ${counted(learning.n, 'question')}, and this one was as good.`,
      better: undefined,
      command: undefined,
    };
  }
  if (verdict === 'block') {
    const why = 'Measured for this model: as good as reading them again.';
    return { headline: reuse, why, better: undefined, command: undefined };
  }
  if (verdict === 'full' || learning?.state === 'full') {
    return {
      headline: again,
      why: 'Measured: reusing passages makes answers worse with this model.',
      better: 'A model fine-tuned for it, or an adapter from half an hour of training, makes answers fast:',
      command: `block-attention finetune --model ${id} --data train.jsonl --out run`,
    };
  }
  return {
    headline: again,
    why:
      learning?.state === 'learning'
        ? `Nobody has measured yet whether reusing passages is as good with this model. The server compares both ways while it is idle: ${counted(learning.n, 'question')} so far, of at least 24.`
        : 'Nobody has measured yet whether reusing passages is as good with this model.',
    better: 'Ask more, and it finds out by itself; or measure it now:',
    command: verify,
  };
}
