/**
 * Whether an answer says that it has none. Pure.
 *
 * A list of phrasings, not a judgement: those that models are asked to use, and those that they use unasked. It looks
 * at the beginning of an answer alone, where a refusal stands; "the treaty does not mention Spain" is an answer.
 */

const subject =
  '(?:(?:the|these|those|this|any|provided|given|search|above|none of|specific) )*(?:documents?|passages?|texts?|context|sources?|information|question|answer|it|there)(?: (?:provided|given|above|here|to|for|in|on|of|about|your|this|that|the|question|answer|documents?|passages?|text|context))*';
const not =
  "(?:(?:is|are|was|were|has|have|does|do|did|could|can)(?: not| no|n't)|cannot|contains? no|gives? no|provides? no|has no|have no)";
const said =
  '(?:mention|stat|say|specif|provid|contain|giv|includ|answer|known|clear|possible|inform|indicat|find|found|tell|address|discuss|determin|enough|available|sufficient|disclos|describ|explain)';
const patterns = [
  new RegExp(`^${subject} ${not}(?: \\w+){0,3}? ${said}`),
  new RegExp(`^${subject} (?:says? nothing|is unknown|remains unknown|is missing)\\b`),
  /^none of the (?:documents?|passages?|texts?|sources?)\b/,
  /^(?:not|is not|isn't) (?:\w+ )?(?:mentioned|stated|given|specified|provided|found|available|known|clear|answerable|in the (?:documents?|passages?|text|context))\b/,
  /^(?:no|not enough|insufficient) (?:\w+ )?(?:information|answer|mention|data|context|evidence|details?)\b/,
  /^there (?:is|are|'s) (?:no|not enough|insufficient) (?:\w+ )?(?:information|answer|mention|data|evidence|details?|way to)\b/,
  /^(?:i|we) (?:do not|don't|cannot|can't|can not|could not|couldn't|am not able to|am unable to|was unable to) (?:know|have|see|find|answer|determine|say|tell|provide|identify|confirm)\b/,
  /^(?:i'm|i am) (?:not sure|unsure|not certain)\b/,
  /^(?:unable to|cannot|can't) (?:\w+ )?(?:know|answer|find|determine|say|tell|be answered|be determined|provide)/,
  /^(?:unknown|unanswerable|n\/a|not applicable)(?:$|\p{P})/u,
];

/** Also of an answer without a word: nothing was said. */
export function abstains(answer: string): boolean {
  const text = answer
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll('’', "'")
    .replace(/^[\s\p{P}\p{S}]+/u, '')
    .replace(
      /^(?:answer:?|sorry,?|i'm sorry,?(?: but)?|i am sorry,?(?: but)?|unfortunately,?|based on the (?:provided |given )?(?:documents?|passages?|context|information),?|according to the (?:documents?|passages?|context),?)\s*/u,
      '',
    )
    .replace(/\s+/gu, ' ')
    .trim();
  return text === '' || patterns.some((pattern) => pattern.test(text));
}
