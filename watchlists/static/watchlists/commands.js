// The commands of the palette and the choice among them by typed text. Pure; palette.js shows them.

/**
 * @typedef {object} Command
 * @property {string} name    What it does, as a trader searches for it.
 * @property {string} group   Chain, Expiry, Columns …; it is searched, too.
 * @property {string} [hint]  The key that does the same.
 * @property {() => void} run
 */

/** Chosen: they fit in the window without a long scroll. */
const MOST_SHOWN = 40;

/**
 * Return the commands that match all typed words, the best first. A word matches the begin of a word of the name or of
 * the group; names that begin with the text come first, and else the order stays.
 * @param {readonly Command[]} commands
 * @param {string} text
 */
export function filterCommands(commands, text) {
  const typed = wordsOf(text);
  const scored = commands.map((command) => ({ command, score: scoreOf(command, typed) }));
  // Sorting is stable: equal scores keep the order of the groups.
  const found = scored.filter((one) => one.score > 0).sort((one, other) => other.score - one.score);
  return found.slice(0, MOST_SHOWN).map((one) => one.command);
}

/** @param {Command} command @param {string[]} typed  0: it does not match. */
function scoreOf(command, typed) {
  const name = wordsOf(command.name);
  const all = [...name, ...wordsOf(command.group)];
  if (!typed.every((word) => all.some((one) => one.startsWith(word)))) {
    return 0;
  }
  const inName = typed.filter((word) => name.some((one) => one.startsWith(word))).length;
  return 1 + inName + (typed[0] !== undefined && name[0]?.startsWith(typed[0]) ? 1 : 0);
}

/** @param {string} text */
function wordsOf(text) {
  return text.toLowerCase().split(/[\s·,:]+/).filter(Boolean);
}
