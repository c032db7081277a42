// Takes the newest state every minute, without moving the reader. Where it fails, what is there stays, and the next
// minute tries again.

const live = document.getElementById("live");

async function refresh() {
  if (document.hidden || live.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  if (fresh && fresh.innerHTML !== live.dataset.before) {
    live.dataset.before = fresh.innerHTML;
    live.replaceChildren(...document.adoptNode(fresh).childNodes);
    live.dispatchEvent(new Event("refreshed", { bubbles: true }));
  }
}

setInterval(() => refresh().catch(() => {}), Number(live.dataset.every) * 1000);
document.addEventListener("visibilitychange", () => refresh().catch(() => {}));
