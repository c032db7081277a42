// Keys press the buttons of the page; what they do is written in its forms.

const name = document.querySelector("input[name=reviewer]");

function press(button) {
  if (!button) return;
  if (button.name === "mode" && name && !name.reportValidity()) return;
  button.click();
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
  if (event.target.closest("input, select, textarea, summary")) return;
  const agrees = event.key === "Enter" || event.key.toLowerCase() === "a";
  if (agrees && event.key === "Enter" && event.target.closest("a, button")) return;
  if (agrees) press(document.querySelector("[data-agree]"));
  else if (event.key === "ArrowRight") press(document.querySelector("[data-key=j]"));
  else if (event.key.length === 1) press(document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`));
  else return;
  event.preventDefault();
});

// Two reviews of one frame from a double press would be one too many.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// The picture of the next frame is there before its page is.
const ahead = document.querySelector("[data-ahead]");
if (ahead) new Image().src = ahead.dataset.ahead;
