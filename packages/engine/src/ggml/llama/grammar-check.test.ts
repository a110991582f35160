import { describe, expect, it } from 'vitest';
import { checkGrammar } from './grammar-check.ts';
import { parseGrammar } from './grammar-rules.ts';

const json = String.raw`
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws   # a comment
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
`;

describe('checkGrammar', () => {
  it.each([
    ['JSON', json],
    ['a choice', 'root ::= "yes" | "no"'],
    ['an empty end', 'root ::= "a" | '],
    ['Windows line ends', 'root ::= x\r\nx ::= "a"\r\n'],
    ['right recursion', 'root ::= "a" root | "b"'],
    ['a repetition of something optional', 'root ::= ("a"? "b"?)+ "c"'],
    ['code points', String.raw`root ::= [\u00e9é] "\U0001F600😀" [^a-z]{2,3} .`],
    ['a definition over several lines', 'root ::= (\n  "a"\n  | "b"\n)'],
  ])('takes %s', (_, grammar) => {
    expect(() => checkGrammar(grammar)).not.toThrow();
  });

  it.each([
    ['no root', 'main ::= "a"', /no rule "root"/],
    ['nothing', '', /no rule "root"/],
    ['an undefined rule', 'root ::= other', /rule "other" is used but not defined/],
    ['an open string', 'root ::= "a', /line 1, column 12: expected a character/],
    ['an open group', 'root ::= ("a"', /expected "\)"/],
    ['an unknown escape', String.raw`root ::= "\q"`, /column 11: expected a character, or an escape/],
    ['no definition', 'root\n::= "a"', /line 1, column 5: expected "::="/],
    ['a stray character', 'root ::= "a" $', /column 14: expected a new line/],
    ['a repetition of nothing', 'root ::= *', /a repetition of nothing/],
    ['a range upside down', 'root ::= "a"{5,2}', /at least 5 and at most 2/],
    ['too many repetitions', 'root ::= "a"{2001}', /more than 2000 repetitions/],
    ['repeated repetitions', 'root ::= ("a"{50}){50}{50}', /more than 2000 repetitions/],
    ['an explosion', `root ::= "${'a'.repeat(1000)}"{2000}`, /unfold to over/],
    ['deep nesting', `root ::= ${'('.repeat(1000)}"a"${')'.repeat(1000)}`, /nested more than/],
    ['an empty class', 'root ::= []', /without characters/],
    ['a token', 'root ::= "a" !<[7]>', /tokens such as <name> are not supported/],
    ['a NUL', 'root ::= "a\0"', /NUL/],
    ['a lone surrogate', 'root ::= "\ud800"', /surrogate/],
    ['left recursion', 'root ::= root "a" | "b"', /rule "root" is left-recursive/],
    ['left recursion over two rules', 'root ::= a "x"\na ::= root | "y"', /left-recursive/],
    [
      'left recursion past a rule that is empty through another',
      'root ::= a root "x" | "y"\na ::= b\nb ::= | "z"',
      /left-recursive/,
    ],
    ['no way to begin', 'root ::= "a" b\nb ::= n b\nn ::= m\nm ::= ""', /rule "b" never comes to a character/],
    ['a rule that is only itself', 'root ::= root', /never comes to a character/],
    [
      'exponentially many beginnings',
      `root ::= r0\n${Array.from({ length: 40 }, (_, i) => `r${i} ::= r${i + 1} "x" | r${i + 1} "y"`).join('\n')}\nr40 ::= "z"`,
      /too many beginnings/,
    ],
  ])('refuses %s', (_, grammar, message) => {
    expect(() => checkGrammar(grammar)).toThrow(expect.objectContaining({ code: 'INVALID_GRAMMAR' }));
    expect(() => checkGrammar(grammar)).toThrow(message);
  });
});

describe('parseGrammar', () => {
  it('writes repetitions out', () => {
    const { rules, names } = parseGrammar('root ::= ("a" "b"){1,3} "c"*');
    expect(names).toEqual(new Map([['root', 0]]));
    // Rule 1 is the group, 2 and 3 its optional repetitions, 4 the star.
    expect(rules).toEqual([[[1, 3, 4]], [[null, null]], [[1], []], [[1, 2], []], [[null, 4], []]]);
  });
});
