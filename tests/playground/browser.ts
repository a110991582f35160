/** Debian's Chromium, where this machine has it, and a page that tells of every error and every foreign request. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

const executablePath = '/usr/bin/chromium';
const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const browserMissing = existsSync(executablePath) ? undefined : `skipped: ${executablePath} is not here`;

export class Browser {
  readonly #folder = mkdtempSync(join(tmpdir(), 'block-attention-browser-'));
  #context: BrowserContext | undefined;
  /** Console errors, uncaught errors, and requests that leave the page's origin, of all pages. */
  readonly complaints: string[] = [];

  /** @param names that mean this machine, as an attacker's name server may say of its own. Defaults to none */
  async open(names: readonly string[] = []): Promise<void> {
    const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(',');
    const all = names.length === 0 ? args : [...args, `--host-resolver-rules=${rules}`];
    this.#context = await chromium.launchPersistentContext(this.#folder, {
      executablePath,
      args: all,
      bypassCSP: false,
    });
    this.#context.setDefaultTimeout(60_000);
  }

  /** @param expected console errors that belong to the test, such as the browser's note on a 401 */
  async page(url: string, { width = 1280, height = 900, expected = /^$/ } = {}): Promise<Page> {
    if (this.#context === undefined) throw new Error('open() comes first');
    const page = await this.#context.newPage();
    await page.setViewportSize({ width, height });
    page.on('console', (message) => {
      if (message.type() === 'error' && !expected.test(message.text())) this.complaints.push(message.text());
    });
    page.on('pageerror', ({ message }) => this.complaints.push(message));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== new URL(url).origin) this.complaints.push(`leaves: ${request.url()}`);
    });
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    await this.#context?.close();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What axe-core finds against WCAG 2.2 AA, as text. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // By the debugger's protocol: the page's own policy lets no script in.
  await page.evaluate(readFileSync(axePath, 'utf8'));
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(
          options: object,
        ): Promise<{ violations: { id: string; nodes: { target: unknown; failureSummary: string }[] }[] }>;
      };
    };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await axe.run({ runOnly: { type: 'tag', values: tags } });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id} ${String(node.target)}: ${node.failureSummary}`),
    );
  });
}

/** Pixels by which the page is wider than its window. */
export function sidewaysScroll(page: Page): Promise<number> {
  return page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  ) as Promise<number>;
}

/** Chooses one of a few. */
export function radio(page: Page, name: string): Promise<void> {
  return page.getByRole('radio', { name, exact: true }).check();
}
