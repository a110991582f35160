import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentCode } from './segment-code.ts';

describe('segmentCode', () => {
  it('gives every Python function and class a block, decorators and comments included', () => {
    expect(
      segmentCode(
        'import os\n\n# first\n@cache\ndef a(x):\n    # inside\n    def b():\n        pass\n\nclass C:\n    def m(self): ...\n\nif __name__ == "__main__":\n    a(1)\n',
      ),
    ).toEqual([
      'import os\n\n',
      '# first\n@cache\ndef a(x):\n    # inside\n    def b():\n        pass\n\n',
      'class C:\n    def m(self): ...\n\nif __name__ == "__main__":\n    a(1)\n',
    ]);
  });

  it('knows TypeScript', () => {
    const pieces = [
      "import x from 'x';\n\n",
      '/**\n * Doc.\n */\nexport async function a() {\n  return 1;\n}\n\n',
      'const b = async (x: number) => {\n  return x;\n};\nconst n = 3;\n',
      'export interface C {\n  d: number;\n}\n',
    ];
    expect(segmentCode(pieces.join(''))).toEqual(pieces);
  });

  it('knows C and Rust', () => {
    const c = [
      '#include <stdio.h>\n\n',
      'static int add(int a, int b) {\n  return a + b;\n}\n',
      'int main(void)\n{\n  add(1, 2);\n}\n',
    ];
    expect(segmentCode(c.join(''))).toEqual(c);
    const rust = ['use std::io;\n', '#[inline]\npub(crate) fn a() {}\n', 'impl A {\n    fn b() {}\n}\n'];
    expect(segmentCode(rust.join(''))).toEqual(rust);
  });

  it('leaves text without definitions in one piece', () => {
    expect(segmentCode('x = 1\nprint(x)\n')).toEqual(['x = 1\nprint(x)\n']);
    expect(segmentCode('')).toEqual([]);
  });

  it('gives the text back, within the cap', () => {
    const line = fc.oneof(
      fc.constantFrom('def a():', 'class B {', '  x', '# c', '', '@d', 'function f() {', '}', '\t', 'int main() {\r'),
      fc.string({ maxLength: 8 }),
    );
    const text = fc.array(line, { maxLength: 30 }).map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 10 }), (whole, maxBlocks) => {
        expect(segmentCode(whole).join('')).toBe(whole);
        const capped = segmentCode(whole, { maxBlocks });
        expect(capped.join('')).toBe(whole);
        expect(capped.length).toBeLessThanOrEqual(maxBlocks);
      }),
      { numRuns: 300 },
    );
  });

  it('takes linear time on long lines', () => {
    const started = performance.now();
    for (const unit of ['export ', 'a ', 'const a ', 'pub(', '<', 'x,', 'a<b> ']) segmentCode(unit.repeat(50_000));
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
