/** From an empty folder to a cited answer: the command `up` with the embedded model, and its page in a real browser. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFolderLock } from '@block-attention/engine/internal/platform';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, Browser, browserMissing, sidewaysScroll } from './browser.ts';

if (browserMissing) console.log(browserMissing);
const folder = mkdtempSync(join(tmpdir(), 'block-attention-up-'));
const docs = join(folder, 'docs');
const browser = new Browser();
let child: ChildProcess | undefined;
let url = '';
let page: Page;

const panel = () => page.locator('.documents-panel');
const turn = (number: number) => page.locator('.turn').nth(number);

async function ask(question: string): Promise<void> {
  await page.getByLabel('Your question').fill(question);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Ask', exact: true }).waitFor();
}

/** Drops files onto the page, as a file manager does. */
function drop(files: Readonly<Record<string, string>>): Promise<void> {
  return page.evaluate(`(() => {
    const data = new DataTransfer();
    for (const [name, text] of Object.entries(${JSON.stringify(files)})) data.items.add(new File([text], name));
    const target = document.querySelector('.ask-view');
    for (const type of ['dragover', 'drop']) {
      target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
    }
  })()`);
}

describe.skipIf(browserMissing)('asking documents on the page', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    mkdirSync(docs);
    const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const flags = ['--port', '0', '--json', '--threads', '1', '--log-level', 'silent'];
    const env = { ...process.env, BLOCK_ATTENTION_CACHE: join(folder, 'cache') };
    child = spawn(process.execPath, ['--import', 'tsx', main, 'up', docs, ...flags], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [ready] = (await once(child.stdout ?? process.stdin, 'data')) as [Buffer];
    ({ url } = JSON.parse(ready.toString()) as { url: string });
    await browser.open();
    page = await browser.page(url, { expected: /status of 4(00|13|15)/ });
  });
  afterAll(async () => {
    await browser.close();
    if (child?.exitCode === null) {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it('begins without documents, and says what to do', async () => {
    await page.getByText('There are no documents yet').waitFor();
    await page.getByRole('heading', { name: 'Passages are read once and reused' }).waitFor();
    expect(await page.getByRole('button', { name: 'Ask', exact: true }).isDisabled()).toBe(true);
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('takes files that are dropped, and says which it does not take, and why', async () => {
    await drop({ 'bridge.md': '# The bridge\n\n## History\n\nThe bridge over the Arve was opened in 1934.\n' });
    await panel().getByText('1 file, 1 passage, all prepared for fast answers').waitFor();
    await drop({ 'film.mp4': 'x', 'data.txt': 'a\0b\0\u0001' });
    await panel().getByText('.mp4 files are not read').waitFor();
    await panel().locator('.sent').getByText('it is binary data, not text').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await panel().getByRole('button', { name: 'Dismiss film.mp4' }).click();
  });

  it('answers with a source that opens the passage with the words marked, by keyboard', async () => {
    await ask('When was the bridge over the Arve opened?');
    await turn(0).locator('.citation').waitFor();
    expect(await turn(0).locator('.said').textContent()).toMatch(/^1934/);
    await turn(0).getByRole('button', { name: 'Show source 1' }).focus();
    await page.keyboard.press('Enter');
    expect(await turn(0).locator('.citation summary').textContent()).toContain('bridge.md:5');
    expect(await turn(0).locator('mark').textContent()).toBe('The bridge over the Arve was opened in 1934.');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('SUMMARY');
    expect(await turn(0).locator('.cost').textContent()).toMatch(
      /^1 of 1 passages reused, \d+ of \d+ tokens · first word after /,
    );
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('sees a file that comes into the folder, and says what it leaves out', async () => {
    writeFileSync(join(docs, 'tower.md'), '# The tower\n\nThe tower of Brenn is 62 metres high.\n');
    writeFileSync(join(docs, 'empty.md'), '');
    const own = panel().locator('.folder', { hasText: /^docs/ });
    await own.getByText('1 file left out').click();
    await own.getByText('it is empty').waitFor();
    await ask('How high is the tower of Brenn?');
    await turn(1).locator('.citation').waitFor();
    expect(await turn(1).locator('.citation summary').textContent()).toContain('tower.md:3');
    await ask('What do penguins eat?');
    await turn(2).getByText('no model was asked').waitFor();
  });

  it('says what it has read where it has not read everything', async () => {
    await withFolderLock(join(folder, 'cache', 'index', 'writer'), async () => {
      writeFileSync(join(docs, 'mole.md'), '# The mole\n\nThe mole of Quist was built in 1820.\n');
      await panel().getByText('Waiting for another program').waitFor();
      await ask('When was the mole of Quist built?');
      await turn(3).getByText('The documents are still being read').waitFor();
      await ask('When was the bridge over the Arve opened?');
      await turn(4)
        .getByText(/^Looked up in \d of \d files: the rest was still to be read/)
        .waitFor();
      expect(await accessibilityFaults(page)).toEqual([]);
    });
    await panel().getByText('3 files, 3 passages').waitFor();
    await ask('When was the mole of Quist built?');
    await turn(5).locator('.citation').waitFor();
  });

  it('keeps conversations, begins new ones, and deletes them', async () => {
    await page.reload();
    await page.getByRole('button', { name: 'When was the bridge over the Arve opened?', exact: true }).click();
    await expect.poll(() => page.locator('.turn').count()).toBe(6);
    await turn(0).locator('.citation summary').click();
    expect(await turn(0).locator('mark').textContent()).toContain('1934');
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await expect.poll(() => page.locator('.turn').count()).toBe(0);
    await page.getByRole('button', { name: /^Delete the conversation/ }).click();
    await expect.poll(() => page.evaluate('localStorage.getItem("block-attention-conversations")')).toBe(null);
  });

  it.each(['light', 'dark'] as const)('fits a phone, in %s', async (theme) => {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width: 360, height: 740 });
    await ask('When was the bridge over the Arve opened?');
    await page.locator('.citation summary').last().click();
    await panel().locator('summary').first().click();
    await expect.poll(() => sidewaysScroll(page)).toBe(0);
    expect(await accessibilityFaults(page)).toEqual([]);
    await panel().locator('summary').first().click();
    await page.setViewportSize({ width: 1280, height: 900 });
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('forgets a file that is deleted', async () => {
    await panel().getByRole('button', { name: 'Delete bridge.md' }).click();
    await panel().getByRole('button', { name: 'Delete bridge.md' }).waitFor({ state: 'detached' });
    const { data } = (await (await fetch(`${url}/v1/search?q=Arve`)).json()) as { data: unknown[] };
    expect(data).toEqual([]);
  });

  it('has an API page whose examples run, and the way back; the race is a tab away', async () => {
    await page.getByRole('link', { name: 'API' }).click();
    expect(await accessibilityFaults(page)).toEqual([]);
    const commands = await page.locator('pre code').allTextContents();
    expect(commands).toHaveLength(5);
    for (const command of commands) {
      const said = await new Promise<string>((resolve, reject) => {
        execFile('sh', ['-ec', command.replaceAll('curl -s', 'curl -sf')], (error, stdout) =>
          error ? reject(error) : resolve(stdout),
        );
      });
      expect(said).toMatch(/"object":"(chat\.completion|list|file)|data: \[DONE\]/);
    }
    await page.getByRole('link', { name: 'Back to the page' }).click();
    await page.getByRole('link', { name: 'Race' }).click();
    await page.getByRole('button', { name: 'Run the race' }).waitFor();
    await page.getByRole('link', { name: 'Ask' }).click();
    await page.getByLabel('Your question').waitFor();
  });

  it('complained of nothing, and asked no other host', () => {
    expect(browser.complaints).toEqual([]);
  });
});
