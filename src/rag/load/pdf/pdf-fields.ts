/** What is filled in on a page of a PDF: values of form fields and typed-over text, which the page itself does not hold. */
import type { Line } from './pdf-lines.ts';

/** An annotation as PDF.js gives it; only what is looked at here. */
export interface Annotation {
  readonly subtype?: unknown;
  readonly fieldType?: unknown;
  readonly fieldName?: unknown;
  readonly fieldValue?: unknown;
  readonly alternativeText?: unknown;
  readonly exportValue?: unknown;
  readonly buttonValue?: unknown;
  readonly checkBox?: unknown;
  readonly radioButton?: unknown;
  readonly password?: unknown;
  readonly hidden?: unknown;
  readonly contentsObj?: { readonly str?: unknown } | undefined;
  readonly rect?: readonly number[];
}

/** One text per field that has a value, with the words in front of it on the page or else its own name. */
export function filledIn(annotations: readonly Annotation[], lines: readonly Line[]): string[] {
  return annotations.flatMap((annotation) => {
    if (annotation.hidden === true || annotation.password === true) return [];
    if (annotation.subtype === 'FreeText') return clean(annotation.contentsObj?.str) || [];
    const value = annotation.subtype === 'Widget' ? filledValue(annotation) : '';
    if (value === '') return [];
    const name = clean(annotation.alternativeText) || clean(annotation.fieldName);
    const caption = (captionOf(annotation.rect ?? [], lines) ?? name).replace(/[\s:._]+$/, '');
    return caption === '' ? value : `${caption}: ${value}`;
  });
}

function filledValue({ fieldType, fieldValue, checkBox, radioButton, exportValue, buttonValue }: Annotation): string {
  if (fieldType === 'Tx') return clean(fieldValue);
  if (fieldType === 'Ch')
    return (Array.isArray(fieldValue) ? fieldValue : [fieldValue]).map(clean).filter(Boolean).join(', ');
  const own = radioButton === true ? buttonValue : checkBox === true ? exportValue : undefined;
  if (fieldType !== 'Btn' || own === undefined || own === null || own !== fieldValue) return '';
  const value = clean(own);
  return /^(yes|on|1)$/i.test(value) ? 'yes' : value;
}

function clean(value: unknown): string {
  return typeof value === 'string' ? value.replaceAll(/\s+/g, ' ').trim() : '';
}

/** The words that end left of a field, on its height. */
function captionOf([left = 0, bottom = 0, , top = 0]: readonly number[], lines: readonly Line[]): string | undefined {
  let found: { text: string; right: number } | undefined;
  for (const { y, segments } of lines) {
    if (y < bottom - 3 || y > top) continue;
    for (const segment of segments) {
      if (segment.right <= left + 4 && segment.right > (found?.right ?? Number.NEGATIVE_INFINITY)) found = segment;
    }
  }
  return found?.text;
}
