/**
 * How many values a JSON text holds, counted before it is parsed: parsing blocks the event loop, and millions of empty
 * objects take a thousand times as long as one text of the same size. Knows no grammar: what is malformed, the parser
 * finds.
 */

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBracket = 0x5b;
const openBrace = 0x7b;

/** Whether the UTF-8 text has more than `most` values. One pass, which ends where the answer is known. */
export function hasMoreValues(json: Uint8Array, most: number): boolean {
  let values = 1;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) at = endOfString(json, at);
    else if (byte === comma || byte === openBracket || byte === openBrace) values += 1;
    if (values > most) return true;
  }
  return false;
}

/** Index of the quote that ends the string which begins at `start`; the text's length when none does. */
function endOfString(json: Uint8Array, start: number): number {
  for (let at = json.indexOf(quote, start + 1); at >= 0; at = json.indexOf(quote, at + 1)) {
    let escapes = 0;
    while (json[at - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}
