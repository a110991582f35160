/**
 * RTF (version 1.9.1): running text, headings by their outline level, tables row by row. Lines are paragraphs.
 *
 * Read by hand, since no library for it is kept and small. Control words that say nothing of the text are passed over,
 * as the format asks readers to.
 */
import { TextDecoder as WebDecoder } from '@exodus/bytes/encoding.js';
import { type ParsedDocument, type Unit, UnreadableFile } from '../document.ts';
import { closeSections, type OpenSection } from '../sections.ts';
import { bufferOf, damaged } from './archive.ts';
import { headerText, namesColumns, rowText } from './table-rows.ts';

/** Groups whose content is not text of the document. */
const silent =
  /^(fonttbl|colortbl|stylesheet|listtable|listoverridetable|rsidtbl|generator|info|pict|object|themedata|colorschememapping|latentstyles|datastore|xmlnstbl|mmathPr|fldinst|bkmkstart|bkmkend|header[lrf]?|footer[lrf]?|pntext|pntxta|pntxtb|nonshppict|shpinst|filetbl|revtbl|annotation|atnid|atnauthor)$/;
/** Of text in spite of the `\*` in front, which marks what an old reader may pass over. */
const spoken = /^(shptxt|footnote)$/;
const symbols: Readonly<Record<string, string>> = {
  tab: '\t',
  emdash: '—',
  endash: '–',
  lquote: '‘',
  rquote: '’',
  ldblquote: '“',
  rdblquote: '”',
  bullet: '•',
  emspace: ' ',
  enspace: ' ',
  '~': ' ',
  _: '-',
};
const token = /\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|[^\\{}\r\n]+/g;
const deepestGroup = 10_000;

interface Group {
  silent: boolean;
  /** Characters that stand in for one by number, for readers without Unicode. */
  fallback: number;
}

export function parseRtf(bytes: Uint8Array): ParsedDocument {
  const source = bufferOf(bytes).toString('latin1');
  if (!/^\s*\{\\rtf/.test(source)) throw new UnreadableFile('it is not an RTF', 'DAMAGED');
  return new RtfReader(source).read();
}

class RtfReader {
  readonly #source: string;
  readonly #sections: OpenSection[] = [{ trail: [], units: [] }];
  readonly #headings: { depth: number; text: string }[] = [];
  readonly #groups: Group[] = [];
  #group: Group = { silent: false, fallback: 1 };
  #decoder = new WebDecoder('windows-1252');
  /** Bytes of the code page that wait for the rest of their character. */
  #codes: number[] = [];
  #text = '';
  #cells: string[] = [];
  #header: string | undefined;
  #inTable = false;
  #outline: number | undefined;
  #skip = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  read(): ParsedDocument {
    let ignorable = false;
    let opened = false;
    for (const [all, word, number, code, symbol, brace] of this.#source.matchAll(token)) {
      if (code !== undefined) this.#code(Number.parseInt(code, 16));
      else {
        if (word === undefined || word !== 'u') this.#decode();
        if (brace === '{') this.#open();
        else if (brace === '}') this.#close();
        else if (symbol === '*' && opened) ignorable = true;
        else if (word !== undefined) {
          if (opened || ignorable) this.#group.silent ||= silent.test(word) || (ignorable && !spoken.test(word));
          this.#control(word, number === undefined ? undefined : Number(number));
        } else if (symbol !== undefined) this.#symbol(symbol);
        else if (!/^[\r\n]/.test(all)) this.#add(all);
      }
      if (symbol !== '*') ignorable = false;
      opened = brace === '{' || symbol === '*';
    }
    this.#decode();
    this.#paragraph();
    return { sections: closeSections(this.#sections), notes: [] };
  }

  #open(): void {
    if (this.#groups.length > deepestGroup) throw damaged(`its groups nest more than ${deepestGroup} deep`);
    this.#groups.push(this.#group);
    this.#group = { ...this.#group };
  }

  #close(): void {
    this.#group = this.#groups.pop() ?? this.#group;
    this.#skip = 0;
  }

  #control(word: string, number: number | undefined): void {
    if (word === 'ansicpg' && number !== undefined) this.#decoder = decoderOf(number);
    else if (word === 'mac') this.#decoder = decoderOf(10_000);
    else if (word === 'uc') this.#group.fallback = number ?? 1;
    else if (word === 'u') {
      this.#decode();
      this.#add(String.fromCharCode(((number ?? 0) + 0x1_0000) % 0x1_0000));
      this.#skip = this.#group.fallback;
    } else if (this.#group.silent) return;
    else if (word === 'par' || word === 'sect' || word === 'page') this.#break();
    else if (word === 'line') this.#add('\n');
    else if (word === 'pard') [this.#outline, this.#inTable] = [undefined, false];
    else if (word === 'intbl') this.#inTable = true;
    else if (word === 'outlinelevel' && number !== undefined && number < 9) this.#outline = number;
    else if (word === 'cell') {
      this.#cells.push(this.#text.trim());
      this.#text = '';
    } else if (word === 'row') this.#row();
    else {
      const symbol = Object.hasOwn(symbols, word) ? symbols[word] : undefined;
      if (symbol !== undefined) this.#add(symbol);
    }
  }

  #symbol(symbol: string): void {
    if (symbol === '\n' || symbol === '\r') this.#break();
    else if (symbol !== '-' && symbol !== ':' && symbol !== '*') this.#add(symbols[symbol] ?? symbol);
  }

  #code(code: number): void {
    if (this.#group.silent) return;
    if (this.#skip > 0) this.#skip -= 1;
    else this.#codes.push(code);
  }

  #decode(): void {
    if (this.#codes.length === 0) return;
    this.#text += this.#decoder.decode(new Uint8Array(this.#codes));
    this.#codes = [];
  }

  #add(text: string): void {
    if (this.#group.silent) return;
    const skipped = Math.min(this.#skip, text.length);
    this.#skip -= skipped;
    this.#text += text.slice(skipped);
  }

  /** Between paragraphs, within a cell as well. */
  #break(): void {
    if (this.#inTable) this.#text += '\n';
    else this.#paragraph();
  }

  #paragraph(): void {
    const text = this.#text.replaceAll(/[\t ]+/g, ' ').trim();
    this.#text = '';
    if (text === '') return;
    this.#header = undefined;
    const unit = this.#unit(text, 'sentences', '\n\n');
    if (this.#outline === undefined) {
      this.#sections.at(-1)?.units.push(unit);
      return;
    }
    const depth = this.#outline;
    while ((this.#headings.at(-1)?.depth ?? -1) >= depth) this.#headings.pop();
    this.#headings.push({ depth, text });
    this.#sections.push({ trail: this.#headings.map((open) => open.text), units: [], heading: unit });
  }

  #row(): void {
    const cells = this.#cells;
    const first = this.#header === undefined;
    this.#cells = [];
    if (cells.every((cell) => cell === '')) return;
    if (first && cells.length > 2 && namesColumns(cells)) {
      this.#header = headerText(cells);
      this.#line += 1;
      return;
    }
    const header = this.#header === undefined || this.#header === '' ? {} : { header: this.#header };
    // Later rows of a table without names of columns are not a header either.
    this.#header ??= '';
    this.#sections.at(-1)?.units.push({ ...this.#unit(rowText(cells), 'lines', '\n'), ...header });
  }

  #unit(text: string, cut: Unit['cut'], separator: string): Unit {
    const line = this.#line;
    this.#line += 1;
    return { text, startLine: line, endLine: line, separator, cut };
  }
}

/** Of a Windows code page; what is not known is read as western European. */
function decoderOf(codePage: number): InstanceType<typeof WebDecoder> {
  const others: Readonly<Record<number, string>> = {
    10000: 'macintosh',
    65001: 'utf-8',
    932: 'shift_jis',
    936: 'gbk',
    949: 'euc-kr',
    950: 'big5',
    874: 'windows-874',
  };
  try {
    return new WebDecoder(others[codePage] ?? `windows-${codePage}`);
  } catch {
    return new WebDecoder('windows-1252');
  }
}
