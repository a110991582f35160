/** Reports on tokens in the two shapes that OpenAI's endpoints have for them. */
import type { TokenChance, TokenReport } from '@block-attention/engine/internal/engine';

/** Tokens can end within a character: then the text shows U+FFFD, and `bytes` has the truth. */
function textOf({ bytes }: TokenChance): string {
  return Buffer.from(bytes).toString('utf8');
}

/** OpenAI's JSON has no −∞. */
function finite(logprob: number): number {
  return Math.max(logprob, -9999);
}

function chance(token: TokenChance) {
  return { token: textOf(token), logprob: finite(token.logprob), bytes: [...token.bytes] };
}

/** `logprobs` of a chat choice. */
export function chatLogprobs(reports: readonly TokenReport[]) {
  return {
    content: reports.map((report) => ({ ...chance(report), top_logprobs: report.top.map(chance) })),
    refusal: null,
  };
}

/** `logprobs` of a completion choice. @param offset characters of the choice before these tokens */
export function completionLogprobs(reports: readonly TokenReport[], offset = 0) {
  let at = offset;
  return {
    tokens: reports.map(textOf),
    token_logprobs: reports.map(({ logprob }) => finite(logprob)),
    top_logprobs: reports.map(({ top }) => Object.fromEntries(top.map((one) => [textOf(one), finite(one.logprob)]))),
    text_offset: reports.map((report) => {
      const start = at;
      at += textOf(report).length;
      return start;
    }),
  };
}
