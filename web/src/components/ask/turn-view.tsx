/** One question and its answer: where it rests, what it cost. */
import { useRef } from 'preact/hooks';
import type { Retrieved } from '../../api/types.ts';
import { costLine } from '../../lib/cost-line.ts';
import { integer } from '../../lib/format.ts';
import { citedPieces } from '../../lib/marked-text.ts';
import { isOver, type Turn } from '../../state/conversation.ts';
import { CitationView } from './citation-view.tsx';

interface Props {
  readonly turn: Turn;
  readonly index: number;
}

export function TurnView({ turn, index }: Props) {
  const { question, answer, state, retrieval, failure, finish, account } = turn;
  const list = useRef<HTMLOListElement>(null);
  const citations = retrieval?.citations ?? [];
  const over = isOver(turn);
  const show = (number: number) => {
    const found = list.current?.querySelector<HTMLDetailsElement>(`[data-citation="${number}"]`);
    if (!found) return;
    found.open = true;
    found.querySelector('summary')?.focus();
    found.scrollIntoView({ block: 'nearest' });
  };
  const cost = costLine(account, turn);
  return (
    <li class="turn" id={`turn-${index}`}>
      <h2 class="asked">
        <span class="off-screen">You asked: </span>
        {question}
      </h2>
      <div class="answered" aria-busy={!over}>
        {answer === '' && !over ? (
          <p class="quiet waiting">
            Looking it up
            <span class="dots" aria-hidden="true" />
          </p>
        ) : (
          <p class="said">
            {citedPieces(answer, citations).map((piece, at) => (
              <span key={at}>
                {piece.text}
                {piece.citations.map((number) => (
                  <button
                    key={number}
                    type="button"
                    class="cite"
                    onClick={() => show(number)}
                    aria-label={`Show source ${number}`}
                  >
                    {number}
                  </button>
                ))}
              </span>
            ))}
            {state === 'streaming' && <span class="caret" aria-hidden="true" />}
          </p>
        )}
        {state === 'done' && answer.trim() === '' && <p class="quiet">The model gave no answer.</p>}
        {state === 'stopped' && <p class="quiet small">Stopped.</p>}
        {failure !== undefined && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        {finish === 'length' && <p class="quiet small">Cut off at the maximum length of an answer.</p>}
        {citations.length > 0 && (
          <ol class="citations" ref={list} aria-label="Sources">
            {citations.map((citation) => (
              <CitationView key={citation.index} citation={citation} />
            ))}
          </ol>
        )}
        {retrieval && over && <Doubt retrieval={retrieval} />}
        {retrieval && over && <Unread retrieval={retrieval} />}
        {over && cost !== '' && <p class="cost">{cost}</p>}
      </div>
    </li>
  );
}

/** That an answer rests on a part of the documents. Where no model was asked, the answer itself says so. */
function Unread({ retrieval: { asked, documents } }: { readonly retrieval: Retrieved }) {
  if (!asked || documents === undefined || documents.state === 'ready' || documents.state === 'empty') return null;
  const { state, files_done, files_total } = documents;
  const why = state === 'reading' ? 'the rest was still to be read' : 'reading the rest failed';
  return (
    <p class="quiet small">
      Looked up in {integer(files_done)} of {integer(files_total)} files: {why}.
    </p>
  );
}

/** What was read for an answer that nothing in it bears out. */
function Doubt({ retrieval: { asked, in_documents, passages } }: { readonly retrieval: Retrieved }) {
  if (in_documents || !asked) return null;
  return (
    <details class="doubt">
      <summary>Not found in the documents in these words: check what was read</summary>
      <ol>
        {passages.map(({ id, rank, source, title }) => (
          <li key={`${rank} ${id}`}>
            <span class="source">{source}</span> <span class="quiet">{title}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}
