/** The current request, to be copied into a terminal or a program. */
import { useState } from 'preact/hooks';
import type { ChatBody } from '../../api/types.ts';
import { type SnippetLanguage, snippet } from '../../lib/snippet.ts';
import { Segmented } from '../segmented.tsx';

interface Props {
  readonly body: ChatBody;
  readonly keyed: boolean;
  readonly announce: (text: string) => void;
}

export function SnippetView({ body, keyed, announce }: Props) {
  const [language, setLanguage] = useState<SnippetLanguage>('curl');
  const [copied, setCopied] = useState(false);
  const base = new URL('.', location.href).href.replace(/\/$/, '');
  const code = snippet(language, body, base, keyed);
  const copy = async () => {
    const done = await copyText(code);
    setCopied(done);
    announce(done ? 'Copied.' : 'The browser did not allow copying.');
    setTimeout(() => setCopied(false), 2000);
  };
  return (
    <section class="panel snippet" aria-labelledby="snippet-title">
      <div class="panel-head">
        <h2 id="snippet-title">This request, from your own code</h2>
        <button type="button" class="button" onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </div>
      <Segmented
        legend="Language"
        name="language"
        value={language}
        options={[
          { value: 'curl', label: 'curl' },
          { value: 'python', label: 'Python' },
          { value: 'typescript', label: 'TypeScript' },
        ]}
        onChange={setLanguage}
      />
      <section class="code" aria-label="Code of the request">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
        <pre tabIndex={0}>
          <code>{code}</code>
        </pre>
      </section>
    </section>
  );
}

/** The clipboard API exists in secure contexts only; a page of a host in the local network is none. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'off-screen';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
