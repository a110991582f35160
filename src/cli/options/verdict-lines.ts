/** What `verify` and `adapt` say of what was measured and of the verdict. */
import type { VerificationReport } from '@block-attention/engine/eval';
import { plainPolicy } from '@block-attention/engine/internal/policy';
import { formatMs } from '../terminal/format.ts';
import { differenceText, percent } from './eval-options.ts';

/** Each policy that was tried after the first, against full attention. @param of what is compared */
export function triedLines({ policies }: Pick<VerificationReport, 'policies'>, of: string): string[] {
  return policies.map(
    ({ policy, difference, tokens, ms }) =>
      `${policy} minus full: ${differenceText(difference, of)}, ${tokens.toFixed(0)} tokens recomputed in ${formatMs(ms)}`,
  );
}

export function verdictLines(
  report: Pick<VerificationReport, 'rows' | 'policies' | 'verdict' | 'policy' | 'reasons' | 'tolerance' | 'timeUp'>,
): string[] {
  const { rows, policies, verdict, policy, reasons, tolerance, timeUp } = report;
  // With one policy nobody asks whose reasons these are.
  const whose = (name: string) => (policies.length === 0 ? '' : `${name}: `);
  const first = whose(rows[1]?.policy ?? plainPolicy.name);
  return [
    `Verdict  ${verdict}${policy === null || policy === plainPolicy.name ? '' : `, policy ${policy}`} (tolerance ${percent(tolerance)} points)`,
    ...reasons.map((reason) => `         ${first}${reason}`),
    ...policies.flatMap((tried) => tried.reasons.map((reason) => `         ${whose(tried.policy)}${reason}`)),
    ...(timeUp ? ['         the time was up: --minutes gives more'] : []),
  ];
}
