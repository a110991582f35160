/** Grammars for source code, loaded when first needed. WebAssembly, so the same on every platform. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import treeSitter from '@vscode/tree-sitter-wasm';

const require = createRequire(import.meta.url);
const folder = dirname(require.resolve('@vscode/tree-sitter-wasm'));

type Parser = InstanceType<typeof treeSitter.Parser>;
export type SyntaxNode =
  ReturnType<Parser['parse']> extends infer T | null ? (T extends { rootNode: infer N } ? N : never) : never;

let ready: Promise<void> | undefined;
const parsers = new Map<string, Promise<Parser>>();

/** The tree of a text. @param language a name of file-types.ts */
export async function syntaxTree(text: string, language: string): Promise<SyntaxNode | undefined> {
  ready ??= treeSitter.Parser.init();
  await ready;
  let parser = parsers.get(language);
  if (parser === undefined) {
    parser = treeSitter.Language.load(join(folder, `tree-sitter-${language}.wasm`)).then((grammar) => {
      const made = new treeSitter.Parser();
      made.setLanguage(grammar);
      return made;
    });
    parsers.set(language, parser);
  }
  return (await parser).parse(text)?.rootNode;
}
