/**
 * The text of ours that passages are encoded behind. Ordinary prose that announces pages of any kind: what it says fits
 * every collection, and nothing in it answers a question. No phrase comes twice; a repeated token spoils what follows.
 *
 * Changing a letter changes every block that was encoded behind it, and with it their keys.
 */
export const neutralText = `What follows was gathered from many places over a long time. Some of these pages come from reference works, others from reports, letters, manuals and the daily press, and their authors never knew one another. Each page can be understood alone, without the ones around it, although now and then two of them treat related subjects. A title, where there is one, stands first; behind it comes the body, written in plain sentences that give names, places, dates and quantities as exactly as their sources did.

Nobody has arranged the collection by importance. A short note about a village may lie beside a history of some great river, and the life of a composer can be followed by instructions for repairing a pump. Readers who look for one particular fact usually find it within a single paragraph, often near its beginning, sometimes hidden in a subordinate clause towards the end. It helps to read slowly, to keep apart persons who share a family name, and to notice whether a number counts people, miles or years. Where an account mentions causes, it tells them before their consequences; where it describes an object, it proceeds from the whole to the details.

Not every question has an answer here. Certain matters were left out because they seemed too obvious to mention, others since no reliable witness could be found. If a statement is missing, that silence means nothing more than that these particular writers did not make it. When several sources agree, their wording still differs, for everybody tells a story in his own manner. Spelling has been left unchanged, and so have old units of measure, foreign terms, and the small contradictions which any honest archive contains. With this in mind, turn to the next page and take it for what it is: one careful observer's record, complete in itself.

`;
