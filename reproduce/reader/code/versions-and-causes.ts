/** What a version brought, what something was before, why something broke, what a word means. */
import { between, day, type Fact, page, upper } from '../facts/fact.ts';
import { said, some, unsaid, type Write } from '../made-up-page.ts';
import { people } from '../manual-words.ts';
import { added, changed, faults, lessons, repaired, terms, troubles } from './code-words.ts';

export const versionsAndCauses: Readonly<Record<string, Write>> = {
  releases(random, product) {
    const major = between(random, 1, 9);
    const count = between(random, 3, 4);
    const versions = Array.from({ length: count }, (_, i) => `${major}.${count - i}.${random.integer(4)}`);
    const mended = some(random, repaired, 2 * count + 1);
    const news = some(random, added, count + 1);
    const moved = some(random, changed, count);
    const sections = versions.map((version, i) => {
      const lines: Fact[] = [];
      for (const what of mended.slice(2 * i, 2 * i + 2)) {
        const text = random.pick([`- Fixed: ${what}.`, `- We mended ${what}.`, `- ${upper(what)}: solved.`]);
        const asked = random.pick([
          `In which version was this fixed: ${what}?`,
          `Which version fixed ${what}?`,
          `since which version is there no longer ${what}?`,
        ]);
        lines.push({ text, asked: [said(asked, version, text)] });
      }
      const fresh = news[i] ?? '';
      const text = random.pick([`- New: ${fresh}.`, `- There is ${fresh} now.`, `- Added ${fresh}.`]);
      lines.push({
        text,
        asked: [
          said(random.pick([`Since which version is there ${fresh}?`, `Which version added ${fresh}?`]), version, text),
        ],
      });
      const [what = '', values = []] = moved[i] ?? [];
      const [before = '', after = ''] = some(random, values, 2);
      const change = random.pick([
        `- ${upper(what)} is ${after} now (was ${before}).`,
        `- Changed ${what} from ${before} to ${after}.`,
        `- ${upper(what)}: ${after} instead of ${before}.`,
      ]);
      lines.push({
        text: change,
        asked: [
          random.uniform() < 0.5
            ? said(
                random.pick([`What was ${what} before ${version}?`, `What was ${what} until ${version} came?`]),
                before,
                change,
              )
            : said(
                random.pick([
                  `What is ${what} since ${version}?`,
                  `What is ${what} now?`,
                  `what did ${version} make of ${what}?`,
                ]),
                after,
                change,
              ),
        ],
      });
      return { version, on: day(random), lines: random.shuffle(lines) };
    });
    const markdown = sections
      .map(({ version, on, lines }) => `## ${version} (${on})\n\n${lines.map(({ text }) => text).join('\n')}`)
      .join('\n\n');
    return {
      markdown: `# ${random.pick([`${product}: what is new`, `Release notes of ${product}`, 'Changes'])}\n\n${markdown}\n`,
      questions: [
        ...random.shuffle(sections.flatMap(({ lines }) => lines.flatMap(({ asked }) => asked))),
        ...sections.map(({ version, on }) => said(`When did version ${version} come out?`, on, `${version} (${on})`)),
        unsaid(`Since which version is there ${news.at(-1)}?`),
      ],
    };
  },

  causes(random, product) {
    const count = between(random, 3, 4);
    const [whats, whys, thens] = [
      some(random, troubles, count + 1),
      some(random, faults, count),
      some(random, lessons, count),
    ];
    const team = some(random, people, count);
    const facts = whats.slice(0, count).map((what, i): Fact => {
      const on = day(random);
      const [why = '', then = '', who = ''] = [whys[i], thens[i], team[i]];
      const [from, minutes] = [
        `${between(random, 0, 23)}:${between(random, 10, 59)}`,
        `${between(random, 5, 90)} minutes`,
      ];
      const text = random.pick([
        `On ${on} at ${from} ${what} for ${minutes}. The cause was ${why}. ${who} sees to ${then}.`,
        `${upper(what)} on ${on} from ${from} on. It took ${minutes} to find the reason, ${why}. From now on there is ${then}, which ${who} looks after.`,
        `Because of ${why}, ${what} on ${on} (${from}, ${minutes}). ${who} takes care that there will be ${then}.`,
      ]);
      const asked = [
        said(
          random.pick([
            `Why was it that ${what}?`,
            `What caused the trouble on ${on}?`,
            `what was the reason on ${on}?`,
          ]),
          why,
          text,
        ),
        said(random.pick([`How long did it last on ${on}?`, `For how long was it that ${what}?`]), minutes, text),
        said(random.pick([`Who sees to ${then}?`, `Who looks after ${then}?`]), who, text),
        said(`What happened on ${on}?`, what, text),
        said(`At what time did it begin on ${on}?`, from, text),
      ];
      return { text, asked: some(random, asked, 3) };
    });
    return page(random, [`${product}: what went wrong`, `Report on ${product}`, 'Looking back at our faults'], facts, [
      `Why was it that ${whats.at(-1)}?`,
    ]);
  },

  terms(random, product) {
    const [absent, ...chosen] = some(random, terms, between(random, 5, 8));
    const facts = chosen.map(([term, meaning]): Fact => {
      const text = random.pick([
        `**${upper(term)}**: ${meaning}.`,
        `${upper(term)}: ${meaning}.`,
        `A ${term} is ${meaning}.`,
        `We call ${meaning} a ${term}.`,
        `| ${term} | ${meaning} |`,
      ]);
      const backwards = random.uniform() < 0.25;
      return {
        text,
        asked: [
          backwards
            ? said(`What do you call ${meaning}?`, term, text)
            : said(
                random.pick([`What is a ${term}?`, `What does "${term}" mean?`, `what do you mean by ${term}?`]),
                meaning,
                text,
              ),
        ],
      };
    });
    const plain = facts.filter(({ text }) => !text.startsWith('|'));
    const rows = facts.filter(({ text }) => text.startsWith('|'));
    const table =
      rows.length === 0 ? '' : `\n\n| Term | Meaning |\n|---|---|\n${rows.map(({ text }) => text).join('\n')}`;
    return {
      markdown: `# ${random.pick([`Words that ${product} uses`, 'Glossary', `${product} from A to Z`])}\n\n${plain.map(({ text }) => text).join('\n\n')}${table}\n`,
      questions: [...random.shuffle(facts.flatMap(({ asked }) => asked)), unsaid(`What is a ${absent?.[0]}?`)],
    };
  },
};
