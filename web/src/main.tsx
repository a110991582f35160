/** Puts the page into its document. */
import { render } from 'preact';
import { App } from './app.tsx';
import { applyStoredTheme } from './state/use-theme.ts';

applyStoredTheme();
const root = document.getElementById('app');
if (root) render(<App />, root);
