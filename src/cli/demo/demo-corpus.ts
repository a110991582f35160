/** What the demo reads and asks with general models. All of it is invented: a model cannot know it from elsewhere. */
import type { Passage } from '@block-attention/engine/internal/engine';
import type { DemoQuestion } from './demo-facts.ts';

export const demoQuestions: readonly DemoQuestion[] = [
  { question: 'When was the Vellmar Bridge opened?', expected: '1911' },
  { question: 'What is the name of the ship that serves as the ferry to Ostrey?', expected: 'Good Intent' },
  { question: 'Who set up the school of music in Vellmar?', expected: 'Amara Okoye' },
];

export const demoPassages: readonly Passage[] = [
  {
    id: 'vellmar-bridge',
    title: 'Vellmar Bridge',
    text: 'The Vellmar Bridge crosses the river Asse between the old town of Vellmar and the mill district on the north bank. It was opened on 4 May 1911 after six years of work, and it replaced a ferry that had run since the Middle Ages. The bridge has five stone arches and a lamp on every pillar. Its engineer, Dorothea Lindqvist, walked across it first, carrying the ferryman’s bell, which has hung in the southern gatehouse ever since. Trams used the bridge until 1958; today it is open to cyclists, pedestrians and the number 12 bus.',
  },
  {
    id: 'ostrey-lighthouse',
    title: 'Ostrey Lighthouse',
    text: 'The lighthouse on the island of Ostrey warns ships of the Teeth, a row of seven rocks that lie just under the water at high tide. It is 31 metres tall, painted in red and white bands, and can be seen from eighteen nautical miles away. A keeper lived in it until 1984, when the lamp was made automatic. The last keeper, Pim Aldersey, wrote down the weather three times a day for thirty years, and meteorologists still use his notebooks.',
  },
  {
    id: 'harrow-lane-bakery',
    title: 'The bakery in Harrow Lane',
    text: 'The bakery in Harrow Lane was founded by Ilse Brandt in 1932 with a single oven and a borrowed handcart. It became known for a dark rye loaf with caraway that keeps for a week. During the flood of 1954 the bakers worked on the upper floor and handed bread out of a window to people in boats. The family sold the shop in 1999 to its two oldest apprentices, who kept the recipe, the name and the handcart, which now stands in the window.',
  },
  {
    id: 'mount-carrick',
    title: 'Mount Carrick',
    text: 'Mount Carrick rises 2,214 metres above the valley of Tenn and is the highest peak of the Saddle Range. Two paths lead to the top: the Shepherds’ Way from the west, which takes about five hours, and the steeper Iron Steps from the south, a ladder route built by miners. Snow lies on the northern side until July. A hut at 1,700 metres has beds for forty walkers and is open from June to the first week of October.',
  },
  {
    id: 'tenn-railway',
    title: 'Tenn Valley Railway',
    text: 'The Tenn Valley Railway is a narrow-gauge line of 23 kilometres from Lower Tenn to the slate quarries at Garrow. It carried stone from 1889 until the quarries closed in 1967, and was reopened by volunteers eleven years later as a line for visitors. The oldest engine still in service, named Little Margaret, was built in 1894. Trains run on weekends between Easter and October, and on two evenings before Christmas by lantern light.',
  },
  {
    id: 'asse-river',
    title: 'The river Asse',
    text: 'The Asse is a river of 148 kilometres that springs from three wells on the eastern slope of the Saddle Range and flows into Ostrey Sound. It is slow and brown in its lower half, where barges once carried grain and timber. Salmon came back to it in 2006 after fish ladders had been built at the two old weirs. The greatest flood on record was that of March 1954, when the water stood two metres deep in the market square of Vellmar.',
  },
  {
    id: 'lindqvist',
    title: 'Dorothea Lindqvist',
    text: 'Dorothea Lindqvist was a bridge engineer who was born in 1868 in the harbour town of Skelby. She studied in Zurich because no school at home would take her, and returned with a diploma and a small steam launch. She built eleven bridges, of which nine still stand. In her memoirs she writes that a bridge is finished only when children have stopped noticing it. She retired to Ostrey in 1929 and kept bees there until her death in 1947.',
  },
  {
    id: 'skelby-market',
    title: 'Skelby fish market',
    text: 'The fish market of Skelby is held every morning except Sunday in a hall of cast iron beside the inner harbour. Boats land their catch from four o’clock, the auction begins at five, and by eight the floor has been washed. Mackerel and crab are the most common goods; a licence is needed to sell eel. The clock above the gate has run seven minutes fast since 1921, on purpose, so that nobody misses the tide.',
  },
  {
    id: 'glass-works',
    title: 'Garrow glass',
    text: 'Garrow glass is a pale green glass that was made from the sand of the upper Tenn between 1820 and 1912. The colour comes from traces of iron. Bottles and lamp shades were its main products, and each piece carries a small fox scratched into the base, the mark of the founder, Tobias Fenn. After a fire destroyed the furnace the works moved to the coast and changed to clear window glass. The museum in Vellmar owns more than six hundred pieces.',
  },
  {
    id: 'school-of-music',
    title: 'The school of music in Vellmar',
    text: 'The school of music in Vellmar teaches about 900 pupils in a former grain store on the north bank. It was set up in 1963 by the cellist Amara Okoye, who asked every household in the town for one evening’s wages. The hall on the top floor seats 240 and is known for its wooden ceiling, made from the timbers of three barges. A concert on the first Sunday of each month is free, and the last piece is always chosen by the youngest pupil.',
  },
  {
    id: 'observatory',
    title: 'Carrick observatory',
    text: 'The observatory on the shoulder of Mount Carrick was built in 1937 at a height of 1,950 metres. Its main telescope has a mirror of 90 centimetres that was ground by hand over two winters. Astronomers there discovered the comet Varga–Hale in 1952 and have measured the brightness of the same forty stars every clear night since. The kitchen is famous for a lentil soup, whose recipe hangs next to the star charts.',
  },
  {
    id: 'ferry',
    title: 'The Ostrey ferry',
    text: 'The ferry to Ostrey leaves Skelby four times a day in summer and twice in winter. The crossing takes 55 minutes in calm weather. The ship in service, the Good Intent, was launched in 2011, holds 18 cars and 210 passengers, and has run on batteries charged from the island’s wind turbines since 2020. Dogs travel free, and islanders pay half. In a strong easterly wind the ferry lands at the old stone pier on the far side of the island.',
  },
];
