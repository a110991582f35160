/**
 * Words for judging whether a text is about a question: lower case, without accents, endings and function words.
 *
 * Not the tokenizer of the search index, and need not be: nothing is looked up by these.
 */

const functionWords: ReadonlySet<string> = new Set(
  `a about above after again all also am an and any are as at be because been before being below between both but by can
  could did do does doing down during each few for from further had has have having he her here hers him his how i if in
  into is it its itself just like me more most my no nor not now of off on once only or other our out over own please
  same she should so some such than that the their them then there these they this those through to too under until up
  us use very was we were what when where which while who whom whose why will with would you your tell give name many
  much called de der die das und ist le la les des et est un une el los y es`.split(/\s+/),
);

/** The word without common English endings; what is left need not be a word. */
function stem(word: string): string {
  if (word.length < 4 || /\d/.test(word)) return word;
  return word
    .replace(/(?:ies|ied)$/, 'y')
    .replace(/(?<=[^aeiou]{1,3})(?:ation|ition)s?$/, '')
    .replace(/(?:'s|ing|edly|ed|ely|ly|es|s|er|ers|e)$/, '')
    .replace(/([^aeiouls])\1$/, '$1');
}

/** Words that carry meaning, in order, repeated where the text repeats them. */
export function contentWords(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .replaceAll(/(?<=\p{Ll})(?=\p{Lu})/gu, ' ');
  const words = plain.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => !functionWords.has(word)).map(stem);
}
