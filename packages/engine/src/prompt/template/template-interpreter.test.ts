import { Interpreter, Template } from '@huggingface/jinja';
import { describe, expect, it } from 'vitest';
import { families } from '../testing/chat-templates.ts';
import { ChatTemplate, type RenderOptions } from './chat-template.ts';
import { overriddenSteps } from './template-library.ts';

const options: RenderOptions = { generationPrompt: true, variables: {}, now: new Date(2026, 0, 31) };
const render = (source: string, content = 'aXbXc', variables: Record<string, unknown> = {}) =>
  new ChatTemplate(source, { bos: '<s>', eos: '</s>' }).render([{ role: 'user', content }], { ...options, variables });

/** A text of 2^20 characters, and a list that holds itself twice, 30 levels deep. */
const long = "{% set ns = namespace(x='ab') %}{% for i in range(19) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
const twins = '{% set ns = namespace(x=[1]) %}{% for i in range(30) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}';
const again = (work: string) => `{% for i in range(99999) %}${work}{% endfor %}`;

describe('the interpreter', () => {
  it('still has every step that is overridden', () => {
    const own = Object.getOwnPropertyNames(Interpreter.prototype);
    expect(overriddenSteps.filter((step) => !own.includes(step))).toEqual([]);
  });

  // Each takes the memory or the time of its process when it runs freely.
  it.each([
    [
      'replace, again and again',
      "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x|replace('a','aaaaaaaaaa') %}{% endfor %}{{ ns.x|length }}",
    ],
    [
      'replace as a method',
      "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x.replace('a', ns.x + 'a') %}{% endfor %}{{ ns.x|length }}",
    ],
    ['replace of nothing', `${long}{{ ns.x.replace('', ns.x)|length }}`],
    ['join by a long text', `${long}{{ range(99999)|join(ns.x) }}`],
    ['join of a long text', `${long}{{ ns.x|join(ns.x) }}`],
    ['join of lists in lists', `${twins}{{ ns.x|join(',') }}`],
    [
      'concatenation by ~',
      "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    ],
    ['concatenation of a list written out', `${twins}{% set y = 'a' ~ ns.x %}`],
    [
      'lists that double',
      '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    ],
    ['a list written out', `${twins}{{ ns.x }}`],
    ['a list as JSON', `${twins}{{ ns.x|tojson }}`],
    ['a list compared with a text', `${twins}{{ ns.x == 'a' }}`],
    [
      'objects in objects',
      "{% set ns = namespace(x={'a': 1}) %}{% for i in range(30) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x }}",
    ],
    ['a namespace in itself', '{% set ns = namespace(x=1) %}{% set ns.x = [ns, ns] %}{{ ns }}'],
    ['a wide indent', "{{ 'a\n'|indent(999999999) }}"],
    ['an indent of many lines', `${long}{{ ns.x|replace('a', '\n')|indent(900) }}`],
    ['JSON with a wide indent', '{{ [[[1]]]|tojson(indent=99999999) }}'],
    ['JSON with long separators', `${long}{{ range(9999)|tojson(separators=(ns.x, ns.x)) }}`],
    ['split by a very long text', `${long}{% set y = ns.x + ns.x %}${again("{% set z = y.split(ns.x + 'b') %}")}`],
    ['a search for a very long text', `${long}{% set y = ns.x + ns.x %}${again("{% set z = (ns.x + 'b') in y %}")}`],
    ['split into pieces kept', `${long}${again("{% set ns.y = [ns.y, ns.x.split('a')] %}")}`],
    ['split at blanks', `${long}${again("{% set z = ns.x.replace('b', ' ').split() %}")}`],
    ['capitals of a long text', `${long}${again('{% set z = ns.x.upper() %}')}`],
    ['titles of a long text', `${long}${again('{% set z = ns.x|title %}')}`],
    ['slices of a long text', `${long}${again('{% set z = ns.x[1:] %}')}`],
    ['a test of a long text', `${long}${again('{% set z = ns.x is lower %}')}`],
    ['sorting long texts', `${long}${again("{% set z = [ns.x + 'a', ns.x + 'b', ns.x + 'c']|sort %}")}`],
    ['comparing long texts', `${long}${again("{% set z = (ns.x + 'a') == (ns.x + 'b') %}")}`],
    ['long texts as keys', `${long}${again("{% set z = ns[ns.x + 'a'] %}")}`],
    ['loops in loops', again(again(''))],
    ['loops over a condition', again('{% for a in range(99999) if false %}{% endfor %}')],
    ['unknown names', again(again('{{ nothing }}'))],
    ['macros without end', '{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}'],
    [
      'macros that call two',
      '{% macro m(x) %}{% if x > 0 %}{{ m(x - 1) }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(60) }}',
    ],
    ['numbers without end', "{{ '9' ~ 9 ** 999 }}"],
    ['a date in a long format', `${long}{{ strftime_now(ns.x) }}`],
    ['a long refusal', `${long}{{ raise_exception(ns.x) }}`],
    ['contents again and again', again('{{ messages[0].content }}')],
  ])('ends %s', (_, source) => {
    let message = '';
    try {
      render(source, 'x'.repeat(100_000));
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_TEMPLATE' });
      message = error instanceof Error ? error.message : '';
    }
    expect(message).not.toBe('');
    expect(message.length).toBeLessThan(700);
  });

  it('leaves long conversations and long contents be', () => {
    const turns = Array.from({ length: 2000 }, (_, i) => [
      { role: 'user' as const, content: `question ${i}` },
      { role: 'assistant' as const, content: `answer ${i}` },
    ]).flat();
    for (const { chatTemplate } of Object.values(families)) {
      const template = new ChatTemplate(chatTemplate, { bos: '<s>', eos: '</s>' });
      expect(template.render(turns, options)).toContain('answer 1999');
      const long = [{ role: 'user' as const, content: 'word '.repeat(2 ** 20) }];
      expect(template.render(long, options)).toContain('word word');
    }
    const source =
      "{% set ns = namespace(out='') %}{% for m in messages %}{% set t = m.content.split('</think>')[-1].strip() %}{% if t in m.content %}{% set ns.out = ns.out ~ t|replace('a', 'b') %}{% endif %}{% endfor %}{{ ns.out|length }}";
    expect(new ChatTemplate(source, { bos: '', eos: '' }).render(turns, options)).toMatch(/^\d{5}$/);
  });
});

describe('within its budget', () => {
  const variables = {
    tools: [
      { name: 'f', parameters: { a: 1, b: [true, null, 'ü"'] } },
      { name: 'g', parameters: {} },
    ],
    numbers: [3, 1, 2, 3],
    words: ['b', 'A', 'c'],
    empty: [],
    text: 'One two\nthree  four',
    nested: { b: { c: [1, { d: 'x' }] }, a: 2 },
  };
  it.each([
    '{% for t in tools %}{{ loop.index }}/{{ loop.length }} {{ t.name }}: {{ t.parameters | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}',
    '{{ tools | tojson(indent=2) }}|{{ tools | tojson(separators=(",", ":"), sort_keys=true, ensure_ascii=true) }}',
    '{{ numbers | sort | join("-") }} {{ numbers | unique | list | length }} {{ words | sort(reverse=true) | join }} {{ words | sort(case_sensitive=true) | first }}',
    '{{ tools | map(attribute="name") | join(", ") }} {{ tools | selectattr("name", "equalto", "f") | list | length }} {{ tools | rejectattr("parameters") | list | length }}',
    '{{ text | upper }} {{ text | title }} {{ text | capitalize }} {{ text | length }} {{ text | indent }} {{ text | indent(2, true) }}',
    '{{ text[0] }}{{ text[-1] }}{{ text[1:3] }}{{ text[::-1] }} {{ numbers[1:] }} {{ numbers[::-1] }} {{ numbers[-1] }}',
    '{% for k, v in nested | dictsort %}{{ k }}={{ v }};{% endfor %}{% for k in nested %}{{ k }}{% endfor %}{{ nested.items() | list | length }}{{ nested.get("z", 5) }}',
    '{% macro m(a, b=2) %}<{{ a }}|{{ b }}|{{ caller() if caller else "" }}>{% endmacro %}{{ m(1) }}{{ m(1, b=3) }}{% call m(4) %}in{% endcall %}',
    '{% set ns = namespace(n=0, s="") %}{% for x in numbers if x > 1 %}{% set ns.n = ns.n + x %}{% set ns.s = ns.s ~ x %}{% endfor %}{{ ns.n }} {{ ns.s }}',
    '{% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}none{% endfor %}{% for x in empty %}{% else %}none{% endfor %}',
    '{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ 7 % 3 }} {{ 2 ** 5 }} {{ -numbers[0] }} {{ 1 == 1.0 }} {{ "a" ~ 1 ~ true }} {{ "a" + "b" }}',
    '{{ "a" in words }} {{ "A" in words }} {{ "two" in text }} {{ "a" in nested }} {{ 3 in numbers }} {{ 9 not in numbers }} {{ "x" in missing }}',
    '{{ missing is defined }} {{ text is string }} {{ numbers is iterable }} {{ nested is mapping }} {{ 2 is even }} {{ "ab" is lower }} {{ none is none }} {{ text is not none }}',
    '{{ missing | default("d") }} {{ "" | default("d", true) }} {{ "12" | int + 1 }} {{ "x" | int(7) }} {{ "1.5" | float }} {{ -3 | abs }} {{ true | string }}',
    '{{ "a" if text else "b" }} {{ "a" if empty else "b" }} {{ empty or "c" }} {{ text and 1 }} {{ not empty }}',
    '{{ numbers + [4] }} {{ [1, "a", none, [2]] }} {{ {"a": 1, "b": [text]} }}',
    '{% filter upper %}a{{ words[0] }}{% endfilter %}{% set block %}x{{ numbers[0] }}{% endset %}{{ block | trim }}',
    '{{ range(3) | list }} {{ range(1, 6, 2) | join("+") }} {{ words | reverse | join }} {{ words | last }} {{ "abc" | join("-") }}',
    '{{- text -}} \n {%- if true -%} x {%- endif -%} \n{# comment #}\n{% generation %}y{% endgeneration %}',
  ])('is the library\u2019s own: %s', (source) => {
    expect(render(source, 'hi', variables)).toBe(
      new Template(source).render({ ...variables, messages: [{ role: 'user', content: 'hi' }] }),
    );
  });
});

describe('methods of text', () => {
  // What Python gives.
  it.each([
    ["'xabx'.strip('x')", 'ab'],
    ["' a'.lstrip('\n')", ' a'],
    ["'\n\n a\n'.lstrip('\n')", ' a\n'],
    ["'a..!'.rstrip('.!')", 'a'],
    ["'xyx'.strip('yx')", ''],
    ["' a '.strip(none)", 'a'],
    ["'\u{1F600}a\u{1F600}'.strip('\u{1F600}')", 'a'],
    ["'\u{1F601}a'.strip('\u{1F600}')", '\u{1F601}a'],
    ["' a ' | trim", 'a'],
    ["'xax' | trim('x')", 'a'],
    ["'a,b,c'.split(',', 1) | join('|')", 'a|b,c'],
    ["'a,b,c'.split(',', maxsplit=1) | join('|')", 'a|b,c'],
    ["'a,b,c'.split(sep=',') | join('|')", 'a|b|c'],
    ["'a,b'.split(',', 0) | join('|')", 'a,b'],
    ["' a  b c '.split() | join('|')", 'a|b|c'],
    ["' a  b c '.split(none, 1) | join('|')", 'a|b c '],
    ["'aXbX'.split('X') | length", '3'],
    ["'aaa'.replace('a', 'b', 2)", 'bba'],
    ["'aaa' | replace('a', 'b', count=1)", 'baa'],
    ["'ab'.replace('', '-')", '-a-b-'],
    ["'ab'.replace('c', '-')", 'ab'],
    ["'aaa'.replace('a', '', -1)", ''],
    ["'ß'.upper()", 'SS'],
    ["'ab'.startswith(('x', 'a'))", 'true'],
    ["'b' in 'abc' and 'x' not in 'abc' and '' in ''", 'true'],
    ["'long enough to be found' in 'it is long enough to be found here'", 'true'],
    ["'ab'['upper']()", 'AB'],
  ])('%s', (expression, expected) => {
    expect(render(`{{ ${expression} }}`)).toBe(expected);
  });

  it.each([
    "'a'.strip(1)",
    "'a'.strip('a', 'b')",
    "'a'.strip(chars='a')",
    "'a'.upper('x')",
    "'a'.split('')",
    "'a'.split('a', sep='b', other=1)",
    "'a'.replace('a')",
    "'ab'.startswith('b', 1)",
    "'ab'.endswith()",
  ])('refuses %s', (expression) => {
    expect(() => render(`{{ ${expression} }}`)).toThrow(expect.objectContaining({ code: 'INVALID_TEMPLATE' }));
  });
});
