/** A long, regular text: one passage per ship, made from lists by counting. The same count gives the same passages. */
import type { Document } from '../api/types.ts';

const ships = [
  'Heron',
  'Bright Anna',
  'Corvus',
  'Tern',
  'Marigold',
  'Northward',
  'Silver Eel',
  'Patience',
  'Gannet',
  'Oriel',
  'Saltmarsh',
  'Fair Isle',
];
const cargoes = [
  'oak barrels',
  'window glass',
  'tea',
  'church bells',
  'rope and canvas',
  'printing paper',
  'copper sheet',
  'dried apricots',
  'roof slate',
  'linseed oil',
  'clock parts',
  'cork',
];
const masters = [
  'Ines Moreau',
  'Tomas Wren',
  'Greta Falk',
  'Padraig Nolan',
  'Sunniva Dahl',
  'Aurel Popa',
  'Beatrix Kohl',
];
const ports = [
  'Lisbon',
  'Bergen',
  'Riga',
  'Cork',
  'Bilbao',
  'Tallinn',
  'Antwerp',
  'Palermo',
  'Gdansk',
  'Bristol',
  'Rouen',
];
const clerks = ['Miss Averill', 'Mr Okafor', 'Mrs Lund', 'Mr Petrie', 'Miss Sato'];
const weathers = [
  'a light wind from the west',
  'fog that lifted at noon',
  'a hard frost',
  'steady rain',
  'a clear sky and a calm sea',
  'a swell from the north',
];
const remarks = [
  'The holds were opened before two witnesses, and the seals were found whole. Four crates on the lee side were damp, and were set apart to be weighed again when dry.',
  'The pilot came aboard at the outer buoy and asked for a second tug, as the ebb was strong. No damage was done to the quay or to the ship, and the tug was paid for in cash.',
  'The crew were paid off in part, and three of them signed on for the next voyage. The cook asked for fresh water and lamp oil, which the harbour store delivered on the same evening.',
  'The surveyor looked at the rudder and found it sound, but advised that the upper pintle be renewed within the year. The advice was read to the master, who signed below it.',
];

const pick = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

export function harbourRegister(count: number): Document[] {
  return Array.from({ length: count }, (_, n) => {
    const ship = n < ships.length ? pick(ships, n) : `${pick(ships, n)} ${n < 2 * ships.length ? 'II' : 'III'}`;
    const day = 1 + ((n * 5) % 28);
    const tons = 40 + ((n * 37) % 260);
    return {
      title: `Entry ${n + 1}: ${ship}`,
      text:
        `On day ${day} of the month, in ${pick(weathers, n)}, the ${ship} came in from ${pick(ports, n * 3)} under ${pick(masters, n * 2)}, ` +
        `and made fast at berth ${1 + ((n * 7) % 12)} at ${6 + (n % 14)} o'clock. She brought ${pick(cargoes, n)}, ${tons} tons by her papers ` +
        `and ${tons - 1 - (n % 3)} tons by the scales of the harbour. ${pick(remarks, n)} Dues of ${tons * 3} crowns were paid on the ${ship} ` +
        `before she was unloaded, half of them in silver. ${pick(clerks, n)} signed for the cargo and entered it in the book; ` +
        `the key of store ${1 + ((n * 3) % 9)} was handed over with the bill. She left for ${pick(ports, n * 3 + 4)} ${2 + (n % 5)} days later, ` +
        `in ballast, with ${1 + (n % 6)} passengers and the mail.`,
    };
  });
}
