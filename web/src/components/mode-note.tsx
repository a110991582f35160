/** How answers are made here, and the way to better ones. */
import type { ModelInfo } from '../api/types.ts';
import { modeWords } from '../lib/mode-words.ts';

export function ModeNote({ model }: { readonly model: ModelInfo }) {
  const { headline, why, better, command } = modeWords(model);
  return (
    <section class="panel mode-note" aria-labelledby="mode-title">
      <h2 id="mode-title">{headline}</h2>
      <p class="quiet small">{why}</p>
      {better !== undefined && <p class="small">{better}</p>}
      {command !== undefined && (
        <p class="small">
          <code>{command}</code>
        </p>
      )}
    </section>
  );
}
