/** Names of uploaded files: what a client sends becomes a name that every file system takes, and that cannot lead out of the folder. */
import { extname } from 'node:path';
import { fileType } from '../../rag/index.ts';
import { RequestError } from '../requests/request-error.ts';

const mostBytes = 200;
/** Devices of Windows, whatever their ending. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** @throws INVALID_ARGUMENT without a name; UNSUPPORTED_MEDIA_TYPE for files of types that are not read */
export function uploadName(sent: string): string {
  const last = sent.normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const plain = last.replaceAll(/[\p{Cc}<>:"|?*]/gu, '_').replace(/^[\s.]+/, '');
  const trimmed = plain.replace(/[\s.]+$/, '');
  if (trimmed === '') throw new RequestError('INVALID_ARGUMENT', 'file: it has no name: send a file name', 'file');
  const name = shortened(reserved.test(trimmed) ? `_${trimmed}` : trimmed);
  if (fileType(name) !== undefined) return name;
  const ending = extname(name);
  const what = ending === '' ? 'files without an ending' : `${ending} files`;
  const message = `file: ${what} are not read: send Markdown, text, HTML, PDF, Word, Excel, PowerPoint, EPUB, CSV or source code`;
  throw new RequestError('UNSUPPORTED_MEDIA_TYPE', message, 'file');
}

/** The name with a number before its ending. */
export function numbered(name: string, number: number): string {
  const ending = extname(name);
  return `${name.slice(0, name.length - ending.length)}-${number}${ending}`;
}

/** Keeps the ending; cuts no character in two. */
function shortened(name: string): string {
  const ending = extname(name).slice(0, 20);
  let stem = Array.from(name.slice(0, name.length - extname(name).length));
  while (stem.length > 1 && Buffer.byteLength(`${stem.join('')}${ending}`) > mostBytes) stem = stem.slice(0, -1);
  return `${stem.join('')}${ending}`;
}
