/**
 * Units as people say them, for numbers that have them as people write them: `450 W` is found by watts, `12.50 €` by
 * euros, `60 %` by percent. Only behind a number, or a currency in front of one: a letter alone is not a unit.
 */

/** By language: the symbol, and what it is called. */
const english: Readonly<Record<string, string>> = {
  '%': 'percent percentage',
  '€': 'euro',
  $: 'dollar',
  '£': 'pound',
  '¥': 'yen',
  '°': 'degree',
  '°C': 'degree celsius',
  '°F': 'degree fahrenheit',
  ms: 'millisecond',
  s: 'second',
  sec: 'second',
  min: 'minute',
  h: 'hour',
  hr: 'hour',
  hrs: 'hour',
  mg: 'milligram',
  g: 'gram',
  kg: 'kilogram kilo',
  lb: 'pound',
  mm: 'millimetre millimeter',
  cm: 'centimetre centimeter',
  m: 'metre meter',
  km: 'kilometre kilometer',
  ml: 'millilitre milliliter',
  l: 'litre liter',
  mA: 'milliampere milliamp',
  A: 'ampere amp',
  mV: 'millivolt',
  V: 'volt',
  W: 'watt',
  kW: 'kilowatt',
  Hz: 'hertz',
  dB: 'decibel',
  kB: 'kilobyte',
  KB: 'kilobyte',
  MB: 'megabyte',
  GB: 'gigabyte',
  TB: 'terabyte',
};
const byLanguage: Readonly<Record<string, Readonly<Record<string, string>>>> = { English: english };

const escaped = (symbol: string) => symbol.replace(/[$]/, '\\$&');

/** The text with what units are called behind each number that has one. Linear in the text. */
export function unitNamer(language: string): (text: string) => string {
  const units = byLanguage[language];
  if (units === undefined) return (text) => text;
  const symbols = Object.keys(units).toSorted((a, b) => b.length - a.length);
  const behind = new RegExp(`(?<=\\p{N})[ -]?(${symbols.map(escaped).join('|')})(?![\\p{L}\\p{N}\\p{M}])`, 'gu');
  const inFront = /([€$£¥]) ?(?=\p{N})/gu;
  const named = (whole: string, symbol: string) => `${whole} ${units[symbol] ?? ''} `;
  return (text) => text.replaceAll(behind, named).replaceAll(inFront, named);
}
