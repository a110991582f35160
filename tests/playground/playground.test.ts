/** The built page in a real browser, on a real server: every control used, in both colour schemes, at both widths. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, Browser, browserMissing, radio, sidewaysScroll } from './browser.ts';
import { Served } from './served.ts';

if (browserMissing) console.log(browserMissing);
const served = new Served();
const browser = new Browser();
let url = '';
let page: Page;

/** Files are cut by the server, in a process that the first one starts. */
const patience = { timeout: 60_000 };
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const titles = () => page.locator('.passage h3').allTextContents();
const lane = (mode: 'block' | 'full') => page.locator(`.lane-${mode}`);
const code = () => page.locator('.snippet code').textContent();
const announced = () => page.locator('.announcer').textContent();

async function race(): Promise<void> {
  await button(/Run the race|^Ask$/).click();
  await button(/Run the race|^Ask$/).waitFor({ timeout: 60_000 });
}

describe.skipIf(browserMissing)('playground', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    url = await served.open(16_384);
    await browser.open();
    // The browser's own note on a file that the server does not take.
    page = await browser.page(url, { expected: /status of 400/ });
  });
  afterAll(async () => {
    await browser.close();
    await served.close();
  });

  it('says what is served, and plans the first sample', async () => {
    await page.getByText('16,384 tokens of context').waitFor();
    await page.locator('.chip').first().waitFor();
    await expect.poll(() => page.locator('.chip').count()).toBe(12);
    expect(await lane('full').locator('.answer').textContent()).toMatch(/^Reads all [\d,]+ tokens again/);
    // Nothing was measured yet.
    expect(await lane('full').locator('.timer output').textContent()).toBe('–');
    const figure = await page.locator('.mask-block').getAttribute('aria-label');
    expect(figure).toMatch(/11 triangles on the diagonal/);
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('runs the race with one click: both answer, every block is a hit, both are in the chart', async () => {
    await race();
    for (const mode of ['block', 'full'] as const) {
      await lane(mode).locator('.facts').waitFor();
      expect(await lane(mode).locator('.timer').textContent()).toMatch(/^\d+\.\d\d sto the first token$/);
      expect((await lane(mode).locator('.answer').textContent())?.length).toBeGreaterThan(5);
    }
    await page.locator('.chip-hit').first().waitFor();
    await expect.poll(() => page.locator('.chip-hit').count()).toBe(11);
    expect(await page.locator('.verdict').textContent()).toMatch(/11 of 11 blocks reused/);
    const [block, full] = await Promise.all(
      (['block', 'full'] as const).map((mode) => lane(mode).locator('.answer').textContent()),
    );
    expect((await page.locator('.difference').count()) > 0).toBe(block !== full);
    await expect.poll(() => page.locator('.curve-block circle').count()).toBe(1);
    await expect.poll(() => page.locator('.curve-full rect').count()).toBe(1);
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('moves passages by keyboard and by dragging, and the blocks follow', async () => {
    const [first, second, third] = await titles();
    await button(new RegExp(`^Move ${first}`)).focus();
    await page.keyboard.press('ArrowDown');
    await expect.poll(async () => (await titles()).slice(0, 3)).toEqual([second, first, third]);
    await expect.poll(announced).toContain('is now number 2 of 10');
    // The focus stays with what was moved.
    await page.keyboard.press('ArrowUp');
    await expect.poll(async () => (await titles()).slice(0, 3)).toEqual([first, second, third]);
    await page.keyboard.press('End');
    await expect.poll(async () => (await titles()).at(-1)).toBe(first);
    await page.keyboard.press('Home');
    const from = await button(new RegExp(`^Move ${first}`)).boundingBox();
    const to = await button(new RegExp(`^Move ${third}`)).boundingBox();
    if (!from || !to) throw new Error('the handles are not drawn');
    await page.mouse.move(from.x + 8, from.y + 8);
    await page.mouse.down();
    await page.mouse.move(to.x + 8, to.y + 20, { steps: 12 });
    await expect.poll(() => page.locator('.passage-dragged').count()).toBe(1);
    await page.mouse.up();
    await expect.poll(titles).toEqual([second, third, first, ...(await titles()).slice(3)]);
    await expect.poll(() => page.locator('.chip-name').nth(3).textContent()).toBe(first);
    await expect.poll(() => page.locator('.passage-dragged').count()).toBe(0);
  });

  it('edits, removes, restores, adds, pastes and takes files', async () => {
    const [first] = await titles();
    await button(`Edit ${first}`).click();
    await page.getByLabel('Title (optional)').fill('Renamed');
    await page.getByLabel('Text', { exact: true }).fill('Another text.');
    await button('Save').click();
    await expect.poll(async () => (await titles())[0]).toBe('Renamed');
    await button('Remove Renamed').click();
    await expect.poll(titles).toHaveLength(9);
    await button('Undo').click();
    await expect.poll(async () => (await titles())[0]).toBe('Renamed');
    await button('Add').click();
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel('Text', { exact: true }).fill('The tower clock is four minutes fast.');
    await page.locator('.passage-form').getByRole('button', { name: 'Add' }).click();
    await expect.poll(titles).toHaveLength(11);
    await page.getByLabel('Files to add as passages').setInputFiles([
      { name: 'notes.md', mimeType: 'text/markdown', buffer: Buffer.from('# Notes\n\none\n\n## More\n\ntwo\n') },
      { name: 'photo.txt', mimeType: 'text/plain', buffer: Buffer.from([0xff, 0xd8, 0, 1]) },
    ]);
    await expect.poll(titles, patience).toHaveLength(13);
    // As an index cuts it: by its headings.
    await expect.poll(async () => (await titles()).slice(-2)).toEqual(['Notes', 'Notes › More']);
    await expect.poll(announced, patience).toContain('photo.txt');
    await page.evaluate(`(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'pasted');
      document.querySelector('.passages').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
      const dropped = new DataTransfer();
      dropped.items.add(new File(['dropped'], 'drop.txt', { type: 'text/plain' }));
      document.querySelector('.passages').dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }));
    })()`);
    await expect.poll(titles, patience).toHaveLength(15);
    await expect
      .poll(async () => (await titles()).slice(-2))
      .toEqual(expect.arrayContaining(['drop', expect.stringMatching(/^Passage 1[45]$/)]));
    await page.locator('.tools').getByRole('button', { name: 'Clear' }).click();
    await expect.poll(titles).toEqual([]);
    await page.getByText('No passages. Add one').waitFor();
    await page.getByLabel('Sample').selectOption('support');
    await expect.poll(titles).toHaveLength(6);
    expect(await page.getByLabel('Question', { exact: true }).inputValue()).toContain('amber');
  });

  it('encodes within the request when asked to, and forgets what it kept', async () => {
    await button('Forget states').click();
    await expect.poll(announced).toContain('forgot');
    await page.locator('summary', { hasText: 'Settings' }).click();
    await page.getByLabel('Encode passages before').uncheck();
    await page.getByLabel('Longest answer, in tokens').fill('3');
    await radio(page, 'Together');
    await race();
    await page.locator('.chip-miss').first().waitFor();
    await expect.poll(() => page.locator('.chip-miss').count()).toBe(6);
    expect(await code()).toContain('"max_tokens": 3');
    await lane('block').getByText('Cut off at the maximum length of an answer').waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('takes a context policy, and asks one mode alone', async () => {
    await radio(page, 'Block');
    expect(await lane('full').count()).toBe(0);
    const policy = page.getByLabel('Context policy of block mode');
    await policy.fill('head:4');
    await race();
    await lane('block').getByText('Policy: head:4').waitFor();
    await policy.fill('deviation:0.2');
    await race();
    await lane('block').getByText('Policy: deviation:0.2').waitFor();
    await radio(page, 'Full');
    await race();
    await lane('full').locator('.facts').waitFor();
    await radio(page, 'Race both');
    await policy.fill('');
  });

  it('measures growing prompts', async () => {
    await button('Measure').click();
    await button('Measure').waitFor({ timeout: 60_000 });
    // 1, 2, 4 and 6 passages, and the races before.
    await expect.poll(() => page.locator('.curve-block circle').count()).toBeGreaterThanOrEqual(4);
    await page.getByText('The figures').click();
    await expect.poll(() => page.locator('tbody tr').count()).toBeGreaterThanOrEqual(4);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.locator('.figure-panel').getByRole('button', { name: 'Clear' }).click();
    await page.getByText('every first token becomes a point').waitFor();
  });

  it('shows the request as code, and copies it', async () => {
    await radio(page, 'Python');
    expect(await code()).toContain('from openai import OpenAI');
    await radio(page, 'TypeScript');
    expect(await code()).toContain("import OpenAI from 'openai'");
    await button('Copy').click();
    await expect.poll(announced).toBe('Copied.');
  });

  it('stops a race', async () => {
    await page.getByLabel('Sample').selectOption('register');
    await page.getByLabel('Longest answer, in tokens').fill('512');
    await page.getByLabel('Encode passages before').check();
    await button('Run the race').click();
    await button('Stop').click();
    await button('Run the race').waitFor();
    await expect.poll(() => page.locator('.lane-is-streaming, .lane-is-running').count()).toBe(0);
    await page.getByLabel('Sample').selectOption('support');
  });

  it.each(['light', 'dark'] as const)('fits a phone, in %s, with nothing to find fault with', async (theme) => {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width: 360, height: 740 });
    await expect.poll(() => sidewaysScroll(page)).toBe(0);
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 900 });
    expect(await accessibilityFaults(page)).toEqual([]);
  });

  it('keeps the colours that were chosen', async () => {
    await button('Use light colours').click();
    const paper = 'getComputedStyle(document.documentElement).backgroundColor';
    expect(await page.evaluate(paper)).toBe('rgb(245, 243, 237)');
    await page.reload();
    expect(await page.evaluate(paper)).toBe('rgb(245, 243, 237)');
    await button('Use dark colours').click();
  });

  it('complained of nothing, and asked no other host', () => {
    expect(browser.complaints).toEqual([]);
  });
});
