// What every page does where scripts run: says in words which picture could not be loaded, and shows strips from
// their newest end.

function tellAway(image) {
  const note = document.createElement("p");
  note.className = "away";
  note.textContent = image.dataset.away;
  image.replaceWith(note);
}

function prepare(root) {
  for (const image of root.querySelectorAll("img[data-away]")) {
    // An image may have failed before this script ran.
    if (image.complete && image.naturalWidth === 0) tellAway(image);
    else image.addEventListener("error", () => tellAway(image), { once: true });
  }
  for (const strip of root.querySelectorAll(".strip")) strip.scrollLeft = strip.scrollWidth;
}

prepare(document);
document.addEventListener("refreshed", (event) => prepare(event.target));
