/** Six help pages of a product that does not exist. */
import type { Document } from '../api/types.ts';

export const support: readonly Document[] = [
  {
    title: 'Lights of the hub',
    text: 'The ring on top of a Lumen hub tells its state. Steady white: all is well. Slow blue pulse: the hub is looking for new lamps. Blinking amber: the hub has power but no connection to the internet; check the cable to your router, then press the button on the back once, and the hub will try again. Steady red: the hub is too warm and has switched its radio off; move it away from other devices and wait ten minutes.',
  },
  {
    title: 'Adding lamps',
    text: 'Screw the lamp in and switch it on. Open the app, choose the room, and press Add. The hub looks for new lamps for ninety seconds, while its ring pulses blue. A lamp that was used with another hub must be reset first: switch it off and on five times, with a second between, until it flashes twice. One hub carries up to sixty lamps and twelve switches. In large homes a second hub may be added to the same account.',
  },
  {
    title: 'Schedules',
    text: 'A schedule belongs to a room. It has a time, the days on which it applies, a brightness and a fade of up to thirty minutes. Instead of a time you can pick sunrise or sunset, with an offset of up to two hours. Schedules are kept in the hub, so they go on working when the internet is down. If two schedules of a room meet, the one that was changed last wins. The app shows the next event of each room below its name.',
  },
  {
    title: 'Returns and warranty',
    text: 'Hubs have a warranty of three years and lamps of five years, from the date on the invoice. You may return any product within forty-five days, opened or not, and we pay the postage. For a claim we need the serial number, which is printed on the base, and a short description of the fault. Replacements are sent within two working days. Damage by water, or by a dimmer of another maker, is not covered.',
  },
  {
    title: 'Updates',
    text: 'The hub looks for updates every night between two and four in the morning. An update takes about three minutes, and lamps can be used with their switches meanwhile. If you would rather choose the moment yourself, turn on Ask first in the settings. Should an update fail, the hub starts with the version it had before. Release notes are in the app, under About. Security updates are made for at least seven years after a model was last sold.',
  },
  {
    title: 'Privacy',
    text: 'Switching a lamp never leaves your home: the app talks to the hub directly when both are on the same network. Our service is needed only for control from outside and for voice assistants, and it can be turned off. It stores the names of your rooms and the address of your hub, encrypted, and deletes them thirty days after you close your account. We do not record when lamps are switched, and there is no microphone in any product.',
  },
];
