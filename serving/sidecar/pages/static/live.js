// Keeps parts of a page up to date without moving the reader: elements with `data-every` (seconds) are taken anew from
// `data-src`, or from the page's own address. Where that fails, what is there stays, and the next turn tries again.

async function refresh(part) {
  if (document.hidden || part.contains(document.activeElement)) return;
  const answer = await fetch(part.dataset.src ?? location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part.id);
  if (!fresh || fresh.innerHTML === part.fetched) return;
  part.fetched = fresh.innerHTML;
  part.dataset.every = fresh.dataset.every ?? "";
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  part.dispatchEvent(new Event("refreshed", { bubbles: true }));
}

function wait(part) {
  const seconds = Number(part.dataset.every);
  if (seconds > 0) setTimeout(() => refresh(part).catch(() => {}).finally(() => wait(part)), seconds * 1000);
}

const parts = [...document.querySelectorAll("[data-every]")];
parts.forEach(wait);
document.addEventListener("visibilitychange", () => parts.forEach((part) => refresh(part).catch(() => {})));
