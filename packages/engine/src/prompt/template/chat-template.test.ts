import { describe, expect, it } from 'vitest';
import { ChatTemplate, type RenderOptions } from './chat-template.ts';

const options: RenderOptions = { generationPrompt: true, variables: {}, now: new Date(2026, 0, 31) };
const render = (source: string, extra: Partial<RenderOptions> = {}) =>
  new ChatTemplate(source, { bos: '<s>', eos: '</s>' }).render([{ role: 'user', content: 'hi {{ bos_token }}' }], {
    ...options,
    ...extra,
  });

describe('ChatTemplate', () => {
  it('gives templates their tokens, flags, variables and dates', () => {
    const source =
      "{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}{{ deep }}{{ strftime_now('%d %B %Y') }}{{ tools is none }}";
    expect(render(source, { variables: { deep: 'x' } })).toBe('<s></s>truex31 January 2026true');
  });

  it('never runs content as a template', () => {
    expect(render('{{ messages[0].content }}')).toBe('hi {{ bos_token }}');
  });

  it.each([
    ['an open tag', '{% if', /cannot be parsed/],
    ['an unknown filter', "{{ 'a' | nonsense }}", /cannot be rendered/],
    ['no text', '{% for x in 3 %}{% endfor %}', /cannot be rendered/],
    ['a refusal of its own', "{{ raise_exception('alternate!') }}", /refuses this prompt: alternate!/],
    ['an endless list', '{{ range(10 ** 12) | length }}', /at most 100000/],
    ['a deep nest', `{{ ${'('.repeat(1e5)}1${')'.repeat(1e5)} }}`, /cannot be parsed/],
    ['a huge source', ' '.repeat(2 ** 20 + 1), /at most 1048576 are allowed/],
  ])('refuses %s', (_, source, message) => {
    expect(() => render(source)).toThrow(
      expect.objectContaining({ code: 'INVALID_TEMPLATE', message: expect.stringMatching(message) }),
    );
  });

  it('ends a template that does not end', () => {
    const loop = '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}';
    expect(() => render(loop)).toThrow(
      expect.objectContaining({ code: 'INVALID_TEMPLATE', message: expect.stringMatching(/far more work/) }),
    );
    expect(render('still {{ 1 }}')).toBe('still 1');
  });

  it('refuses a source that would take too long to read', () => {
    expect(() => render(' '.repeat(2 ** 18))).toThrow(
      expect.objectContaining({
        code: 'INVALID_TEMPLATE',
        message: expect.stringMatching(/cannot be parsed: it has 262144 blanks in a row/),
      }),
    );
  });

  it('reads line ends of Windows as Jinja does', () => {
    const source = "{% if true %}\n{{ messages[0].role }}:\n{% endif %}\n{{ 'a' }}\nb\n";
    expect(render(source)).toBe('user:\na\nb');
    for (const end of ['\r\n', '\r']) expect(render(source.replaceAll('\n', end))).toBe(render(source));
  });

  it('refuses one that writes without end', () => {
    const text =
      "{% set ns = namespace(x='ab') %}{% for i in range(24) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}";
    expect(() => render(text)).toThrow(/makes 33554432 characters of 18: at most 16777216 more/);
  });

  it.each([
    ['text', "'ab'"],
    ['a list', '[1, 2]'],
  ])('ends one that doubles %s', (_, start) => {
    const doubling = `{% set ns = namespace(x=${start}) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`;
    expect(() => render(doubling)).toThrow(expect.objectContaining({ code: 'INVALID_TEMPLATE' }));
  });
});
