/**
 * Source code to blocks: a function, class or other top-level definition each (the paper's block segmentation).
 *
 * A rule on lines, not a parser, for languages that indent what is inside a definition: a block begins at an
 * unindented line that opens a definition, or at the unindented comments and decorators directly above it. What comes
 * before the first definition is a block of its own; what follows one belongs to it. The pieces joined are the text.
 */
import { mergeShortest } from './merge-shortest.ts';
import { requireMaxBlocks } from './segment-text.ts';

export interface CodeSegmentOptions {
  /** A positive integer. Defaults to no cap. */
  readonly maxBlocks?: number | undefined;
}

const words = (list: string) => list.trim().replaceAll(/\s+/g, '|');
const modifiers = words(
  'export default declare public private protected internal static abstract final sealed async unsafe extern pub inline virtual override partial',
);
const keywords = words(
  'function def class fn func fun interface struct enum trait impl mod module namespace type record object protocol extension sub proc macro',
);
const definition = new RegExp(`^(?:(?:${modifiers})(?:\\([^)\\n]{0,40}\\))?[ \\t]+)*(?:${keywords})\\b`);
/** `const f = (`, `const f = async x =>`, `const f = function`. */
const arrow =
  /^(?:export[ \t]+)?(?:const|let|var)[ \t]+[\w$]+[^=\n]{0,200}=[ \t]*(?:async\b[ \t]*)?(?:\(|function\b|[\w$]+[ \t]*=>)/;
/** `int main(void) {`: a type, a name, arguments, and no semicolon at the end. */
const typed = /^[A-Za-z_][\w:<>,*&[\]]*[ \t]+[\w:<>,*&[\] \t]{0,200}\([^;\n]*$/;
const notTyped =
  /^(?:if|for|while|switch|return|else|elif|with|from|import|use|using|package|try|catch|do|case|throw|await|yield|assert|print|del|raise)\b/;
const attached = /^(?:@|#\[|#(?!include\b|define\b|if|el|endif\b|pragma\b)|\/\/|\/\*| ?\*|--|"""|template\b)/;

function opensDefinition(line: string): boolean {
  return definition.test(line) || arrow.test(line) || (typed.test(line) && !notTyped.test(line));
}

/** @throws INVALID_ARGUMENT when `maxBlocks` is not a positive integer. */
export function segmentCode(text: string, { maxBlocks }: CodeSegmentOptions = {}): string[] {
  if (maxBlocks !== undefined) requireMaxBlocks(maxBlocks);
  if (text === '') return [];
  const lines = text.split(/(?<=\n)/);
  const pieces: string[] = [];
  let current = '';
  /** Comments and decorators that the next definition will take along. */
  let above = '';
  for (const line of lines) {
    const bare = line.trimEnd();
    if (opensDefinition(bare)) {
      if (current.trim() !== '') pieces.push(current);
      else above = current + above;
      current = above + line;
      above = '';
    } else if (attached.test(bare)) {
      above += line;
    } else {
      current += above + line;
      above = '';
    }
  }
  pieces.push(current + above);
  return maxBlocks === undefined ? pieces : mergeShortest(pieces, maxBlocks);
}
