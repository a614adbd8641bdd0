// The chip that says whether the chain follows the spot. Paint only; the rules are in follow.js.

import { byId, byIdAs } from "./dom.js";

/** @param {boolean} isFollowing */
export function paintFollow(isFollowing) {
  const chip = byIdAs("recenter", "button");
  chip.ariaPressed = String(isFollowing);
  byId("follow-text").textContent = isFollowing ? "Follow" : "Paused · . to return";
  chip.title = isFollowing
    ? "The line of the spot stays where it is, and the strikes move past it. Scroll, or press here, to stop that"
    : "The strikes stay where they are. Press here or . to return to the money and to follow the spot again";
}
