// Dark, light or as the system says; remembered on this machine. A classic script in the head, so that the page never
// shows the wrong theme first.
(() => {
  const KEY = "terminal.theme";
  const THEMES = ["auto", "dark", "light"];
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY) ?? "auto";
    } catch {
      return "auto"; // Storage may be forbidden; the system's theme is a good answer.
    }
  };

  /** @param {string} theme */
  const show = (theme) => {
    root.dataset["theme"] = THEMES.includes(theme) ? theme : "auto";
  };

  show(remembered());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (button === null) {
      return;
    }
    const label = () => {
      button.title = `Theme: ${root.dataset["theme"]}`;
      button.setAttribute("aria-label", button.title);
    };
    label();
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(root.dataset["theme"] ?? "auto") + 1) % THEMES.length] ?? "auto";
      show(next);
      label();
      try {
        localStorage.setItem(KEY, next);
      } catch {
        // Not remembered, then.
      }
    });
  });
})();
