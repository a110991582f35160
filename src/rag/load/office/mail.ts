/**
 * Mails (RFC 5322, MIME) by postal-mime: who wrote what to whom and when, the text, and attachments of types that are
 * read. Lines are those of the message's text, in an attachment its own.
 */
import PostalMime, { type Address, type Attachment, type Email } from 'postal-mime';
import { cleanText } from '../clean-text.ts';
import { type ParsedDocument, type Section, type Unit, UnreadableFile } from '../document.ts';
import { fileType } from '../file-types.ts';
import { parseHtml } from '../markup/html.ts';
import { paragraphs } from '../plain-text.ts';
import { damaged } from './archive.ts';

/** How deep mails are attached to mails. */
const deepest = 3;
const mostAttachments = 200;

/** Parses an attachment as a file of that name; `depth` counts the mails around it. */
export type ParseAttachment = (bytes: Uint8Array, name: string, depth: number) => Promise<ParsedDocument>;

export async function parseMail(bytes: Uint8Array, parse: ParseAttachment, depth: number): Promise<ParsedDocument> {
  const email = await PostalMime.parse(bytes).catch((error: unknown) => {
    throw damaged(error);
  });
  const { subject, from, text, html, attachments } = email;
  if (from === undefined && subject === undefined && email.date === undefined)
    throw damaged('it has no header of a mail');
  const head: Unit = { text: headOf(email), startLine: 1, endLine: 1, separator: '\n\n', cut: 'lines' };
  const written = text?.trim() ? paragraphs(cleanText(text).text) : [];
  const page = written.length === 0 && html !== undefined ? parseHtml(html) : undefined;
  const [first, ...others] = page?.sections ?? [{ trail: [], units: written }];
  const inFront = first?.trail.length === 0 ? [{ trail: [], units: [head, ...first.units] }, ...others] : undefined;
  const sections: Section[] = inFront ?? [{ trail: [], units: [head] }, ...(page?.sections ?? [])];
  const notes = [...(page?.notes ?? [])];
  for (const [index, attachment] of attachments.slice(0, mostAttachments).entries()) {
    const name = attachment.filename ?? `attachment ${index + 1}`;
    const left = (reason: string) => notes.push(`attachment ${JSON.stringify(name)} is left out: ${reason}`);
    // Pictures that the text shows, such as logos below it.
    if (attachment.related === true && attachment.mimeType.startsWith('image/')) continue;
    if (fileType(name) === undefined) left('it is of a type that is not read');
    else if (depth >= deepest) left(`it lies more than ${deepest} mails deep`);
    else {
      try {
        const document = await parse(contentOf(attachment), name, depth + 1);
        sections.push(...document.sections.map((section) => within(name, section)));
        notes.push(...document.notes.map((note) => `attachment ${JSON.stringify(name)}: ${note}`));
      } catch (error) {
        if (!(error instanceof UnreadableFile)) throw error;
        left(error.message);
      }
    }
  }
  if (attachments.length > mostAttachments) notes.push(`only the first ${mostAttachments} attachments are read`);
  return { ...(subject !== undefined && { title: subject }), sections, notes };
}

function headOf({ subject, from, to = [], cc = [], date }: Email): string {
  const lines = [
    ['Subject', subject ?? ''],
    ['From', from === undefined ? '' : nameOf(from)],
    ['To', to.map(nameOf).join(', ')],
    ['Cc', cc.map(nameOf).join(', ')],
    ['Date', date?.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(\.\d+)?Z$/, '$1 $2 UTC') ?? ''],
  ];
  return lines.flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}`])).join('\n');
}

function nameOf({ name, address, group }: Address): string {
  if (group !== undefined) return `${name}: ${group.map(nameOf).join(', ')}`;
  if (!address) return name;
  return name === '' || name === address ? address : `${name} <${address}>`;
}

function contentOf({ content }: Attachment): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content, 'base64') : new Uint8Array(content);
}

function within(name: string, { trail, units }: Section): Section {
  const place = (unit: Unit) => (unit.place === undefined ? name : `${name}, ${unit.place}`);
  return {
    trail: [name, ...trail],
    units: units.map(({ page, ...unit }) => ({
      ...unit,
      place: page === undefined ? place(unit) : `${name}, p${page}`,
    })),
  };
}
