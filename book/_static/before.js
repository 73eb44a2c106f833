// Runs before the theme's scripts: its Font Awesome replaces every <i> by an <svg>, which breaks the buttons of the
// Play widget. Let it draw inside the <i> instead.
window.FontAwesomeConfig = { autoReplaceSvg: "nest" };
// The theme complains in the console where nobody has chosen light or dark yet.
document.documentElement.dataset.mode ||= "auto";
