// Says to a screen reader what the eye sees. The widget manager leaves the handles of sliders and the buttons of the Play
// widget without names, and tells the index of a slider's value in place of the value; the theme leaves the arrows of its
// contents without a name.
for (const arrow of document.querySelectorAll("nav summary")) {
  arrow.setAttribute("aria-label", `The pages below ${arrow.closest("li").querySelector("a").textContent.trim()}`);
}
new MutationObserver(() => {
  for (const slider of document.querySelectorAll(".widget-slider")) {
    const handle = slider.querySelector("[role=slider]");
    const value = slider.querySelector(".widget-readout")?.textContent;
    handle?.setAttribute("aria-label", slider.querySelector(".widget-label").textContent);
    if (value) handle?.setAttribute("aria-valuetext", value);
  }
  for (const player of document.querySelectorAll(".widget-play")) {
    player.querySelectorAll("button").forEach((button, i) => {
      button.setAttribute("aria-label", [player.title, `${player.title}: to the start`, `${player.title}: repeat`][i]);
    });
  }
}).observe(document, { childList: true, subtree: true });
