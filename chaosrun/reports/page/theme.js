// Colours: all are custom properties of style.css, so that the theme, print and the charts agree.

const Theme = {
  cache: new Map(),
  listeners: [],

  colour(name) {
    if (!Theme.cache.has(name)) {
      Theme.cache.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
    }
    return Theme.cache.get(name);
  },

  changed() {
    Theme.cache.clear();
    for (const listener of Theme.listeners) listener();
  },

  /** A button that goes from what the system wants to light, to dark, and back. */
  start(button) {
    const choices = ["auto", "light", "dark"];
    let choice = 0;
    button.hidden = false;
    button.addEventListener("click", () => {
      choice = (choice + 1) % choices.length;
      button.textContent = `Theme: ${choices[choice]}`;
      if (choice) document.documentElement.dataset.theme = choices[choice];
      else delete document.documentElement.dataset.theme;
      Theme.changed();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", Theme.changed);
    matchMedia("print").addEventListener("change", Theme.changed);
  },
};
