/** A source of an answer: file and lines; opened, the passage with the words that bear the answer out. */
import type { Citation } from '../../api/types.ts';
import { markedPieces } from '../../lib/marked-text.ts';

export function CitationView({ citation }: { readonly citation: Citation }) {
  const { index, source, title, folder, text, quotes } = citation;
  return (
    <li>
      <details class="citation" data-citation={index}>
        <summary>
          <span class="cite" aria-hidden="true">
            {index}
          </span>
          <span class="source">
            <span class="off-screen">Source {index}: </span>
            {source}
          </span>
          <span class="quiet trail">{title}</span>
        </summary>
        <blockquote>
          {markedPieces(text, quotes).map((piece, at) =>
            piece.marked ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>,
          )}
        </blockquote>
        <p class="quiet small">{folder === 'uploads' ? 'From a file that was sent' : `From the folder ${folder}`}</p>
      </details>
    </li>
  );
}
