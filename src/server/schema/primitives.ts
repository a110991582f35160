/** Rules that every grammar of JSON has. */

/** Digits of an integer, and behind the point of a number. */
export const mostDigits = 15;

export const primitives = `
string ::= "\\"" char* "\\""
char ::= [\\x20-\\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\ud7ff\\ue000-\\U0010ffff] | "\\\\" (["\\\\/bfnrt] | "u" ([0-9a-cefA-CEF] hex | [dD] [0-7]) hex hex)
hex ::= [0-9a-fA-F]
integer ::= "-"? ("0" | [1-9] [0-9]{0,${mostDigits - 1}})
number ::= integer ("." [0-9]{1,${mostDigits}})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
comma ::= "," " "?
colon ::= ":" " "?
value ::= object | array | string | number | boolean | null
object ::= "{" (string colon value (comma string colon value)*)? "}"
array ::= "[" (value (comma value)*)? "]"
`;

/** Any JSON object. */
export const jsonObjectGrammar = `root ::= object${primitives}`;
