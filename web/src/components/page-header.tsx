/** Name, the model that is served, ways to the documentation, theme and key. */
import type { ModelInfo } from '../api/types.ts';
import { integer, parameters } from '../lib/format.ts';
import { useTheme } from '../state/use-theme.ts';
import type { View } from '../state/use-view.ts';
import { Key, Logo, Moon, Sun } from './icons.tsx';

interface Props {
  readonly model: ModelInfo | undefined;
  readonly view: View | undefined;
  readonly state: 'connecting' | 'ready' | 'failed';
  /** Forgets the key; undefined where none is used. */
  readonly onForgetKey: (() => void) | undefined;
}

export function PageHeader({ model, view, state, onForgetKey }: Props) {
  const { theme, toggle } = useTheme();
  const other = theme === 'dark' ? 'light' : 'dark';
  return (
    <header class="page-header">
      <a class="wordmark" href="./">
        <Logo />
        <span>Block-Attention</span>
      </a>
      <nav class="tabs" aria-label="Views">
        <a href="#ask" aria-current={view === 'ask' ? 'page' : undefined}>
          Ask
        </a>
        <a href="#race" aria-current={view === 'race' ? 'page' : undefined}>
          Race
        </a>
      </nav>
      <p class={`model model-${state}`}>
        <span class="dot" aria-hidden="true" />
        {model ? <ModelText model={model} /> : state === 'failed' ? 'No model' : 'Connecting …'}
      </p>
      <nav class="page-nav" aria-label="Page">
        <a href="docs">API</a>
        {onForgetKey && (
          <button
            type="button"
            class="icon-button"
            onClick={onForgetKey}
            aria-label="Forget the API key"
            title="Forget the API key"
          >
            <Key />
          </button>
        )}
        <button
          type="button"
          class="icon-button"
          onClick={toggle}
          aria-label={`Use ${other} colours`}
          title={`Use ${other} colours`}
        >
          {theme === 'dark' ? <Sun /> : <Moon />}
        </button>
      </nav>
    </header>
  );
}

function ModelText({ model }: { model: ModelInfo }) {
  const facts = model.block_attention;
  return (
    <>
      <b>{model.id}</b>
      {facts && (
        <span class="model-facts">
          {facts.parameters !== undefined && ` ${parameters(facts.parameters)} parameters ·`}{' '}
          {integer(facts.context_tokens)} tokens of context
          {facts.threads !== undefined && ` · ${facts.threads} ${facts.threads === 1 ? 'thread' : 'threads'}`}
        </span>
      )}
    </>
  );
}
