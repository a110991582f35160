/** Whether a sentence denies, by its words: no parsing. */

const denying: ReadonlySet<string> = new Set(
  `not no never cannot neither nor none nothing nobody without unable impossible unsupported nicht kein keine keinen keiner
  keinem nie niemals ohne ne pas jamais aucun aucune sans nunca ninguno ninguna ningún sin non mai nessun senza não nem
  не нет никогда без`.split(/\s+/),
);
/** Of scripts without blanks. */
const denyingParts = /不|没|沒|無|无|ない|ません|없|않|못|ไม่/u;
const positive: ReadonlySet<string> = new Set(
  'yes yeah yep correct indeed ja doch oui si sí sim да 是 はい 네'.split(' '),
);
const negative: ReadonlySet<string> = new Set('no nope nein non não nie нет 否 いいえ 아니요'.split(' '));

const wordsOf = (text: string) => text.toLowerCase().match(/\p{L}+(?:['’]\p{L}+)?/gu) ?? [];

export function isNegated(text: string): boolean {
  return wordsOf(text).some((word) => denying.has(word) || /n['’]t$/.test(word)) || denyingParts.test(text);
}

/** `yes` or `no` when an answer begins with it. */
export function answersYesOrNo(answer: string): 'yes' | 'no' | undefined {
  const [first = ''] = wordsOf(answer);
  return positive.has(first) ? 'yes' : negative.has(first) ? 'no' : undefined;
}
