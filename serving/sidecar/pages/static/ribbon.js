// The season ribbon: a row a day, a cell a frame. Drawn on a canvas, read with pointer or keys.

const MARGIN = { left: 58, right: 14, top: 24, bottom: 8 };
const UNSURE = 1, REVIEWED = 2, UNKNOWN = 255;

function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Type(bytes.buffer);
}

class Ribbon {
  constructor(place, data) {
    this.place = place;
    this.words = place.dataset;
    this.data = data;
    this.modes = decode(data.modes, Int8Array);
    this.ids = decode(data.ids, Uint32Array);
    this.confidence = decode(data.confidence, Uint8Array);
    this.marks = decode(data.marks, Uint8Array);
    this.small = place.classList.contains("small");
    this.alone = null;
    this.at = null;
    this.build();
    this.draw();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  build() {
    this.filter = document.createElement("div");
    this.filter.className = "filter";
    if (!this.small) {
      this.data.faces.forEach((face, mode) => this.filter.append(this.button(face, mode)));
      if (this.modes.includes(this.data.missing)) this.filter.append(this.sign("missing", this.words.missing));
      if (this.modes.includes(this.data.failed)) this.filter.append(this.sign("failed", this.words.failed));
      this.place.append(this.filter);
    }
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", this.words.label);
    this.canvas.setAttribute("aria-describedby", "ribbon-reading");
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.spoken = document.createElement("div");
    this.spoken.className = "unseen";
    this.spoken.setAttribute("aria-live", "polite");
    this.place.append(this.canvas, this.tip, this.spoken);
    this.place.dataset.drawn = "yes";

    this.canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && this.point(event));
    this.canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.leave());
    this.canvas.addEventListener("click", (event) => this.choose(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.canvas.matches(":focus-visible") && this.go(this.at ?? this.first()));
    this.canvas.addEventListener("blur", () => this.leave());
  }

  sign(kind, text) {
    const sign = document.createElement("span");
    sign.className = "sign";
    const chip = document.createElement("span");
    chip.className = `chip ${kind}`;
    sign.append(chip, text);
    return sign;
  }

  button(face, mode) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    const chip = document.createElement("span");
    chip.className = "chip";
    chip.style.background = face.color;
    button.append(chip, `${face.code} ${face.name === face.code ? "" : face.name}`);
    button.addEventListener("click", () => {
      this.alone = this.alone === mode ? null : mode;
      this.filter.querySelectorAll("button").forEach((one, k) => one.setAttribute("aria-pressed", String(k === this.alone)));
      this.draw();
    });
    return button;
  }

  color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  draw() {
    const { days, cells } = this.data;
    const width = this.canvas.clientWidth || this.place.clientWidth;
    const scale = window.devicePixelRatio || 1;
    // Cells are whole device pixels, so that no frame is broader than its neighbour or blurred into it.
    const across = Math.max(1, Math.floor(((width - MARGIN.left - MARGIN.right) * scale) / cells));
    const down = Math.max(2, Math.round((this.small ? 2.5 : 5) * scale));
    const left = Math.round(MARGIN.left * scale), top = Math.round(MARGIN.top * scale);
    const height = days.length * down + top + Math.round(MARGIN.bottom * scale);
    this.grid = { across, down, left, top, scale };
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== height) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = height;
      this.canvas.style.height = `${height / scale}px`;
    }
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.cells(pen);
    this.axes(pen);
    if (this.at !== null) this.cursor(pen);
  }

  cells(pen) {
    const { across, down, left, top } = this.grid;
    const { cells, failed, missing, outside, faces } = this.data;
    const special = new Map([
      [failed, this.color("--cell-failed")],
      [missing, this.color("--cell-missing")],
      [outside, this.color("--cell-outside")],
    ]);
    for (let n = 0; n < this.modes.length; n++) {
      const mode = this.modes[n];
      pen.globalAlpha = mode >= 0 && this.alone !== null && this.alone !== mode ? 0.12 : 1;
      pen.fillStyle = special.get(mode) ?? faces[mode].color;
      const x = left + (n % cells) * across, y = top + Math.floor(n / cells) * down;
      // Missing frames are thin lines: a gap must not look like a grey mode.
      if (mode === missing) pen.fillRect(x, y + Math.floor(down / 2), across, Math.max(1, Math.floor(down / 5)));
      else pen.fillRect(x, y, across, down);
    }
    pen.globalAlpha = 1;
  }

  axes(pen) {
    const { across, down, left, top, scale } = this.grid;
    const { days, cells } = this.data;
    pen.fillStyle = this.color("--soft");
    pen.strokeStyle = this.color("--strong-line");
    pen.lineWidth = scale;
    pen.font = `${11 * scale}px system-ui, "Noto Sans CJK JP", sans-serif`;
    pen.textAlign = "center";
    const every = cells * across / scale < 420 ? 6 : 3;
    for (let hour = 0; hour <= 24; hour += every) {
      const x = left + (cells * across * hour) / 24;
      pen.fillText(String(hour).padStart(2, "0"), x, top - 9 * scale);
      pen.fillRect(Math.round(x), top - 5 * scale, scale, 4 * scale);
    }
    pen.textAlign = "right";
    const month = new Intl.DateTimeFormat(this.words.language, { month: "short", timeZone: "UTC" });
    days.forEach((day, row) => {
      const y = top + row * down;
      const date = new Date(`${day}T00:00Z`);
      const number = date.getUTCDate();
      if (number === 1 || row === 0) {
        pen.fillStyle = this.color("--text");
        const room = number === 1 || number < 25;
        if (room) pen.fillText(month.format(date), left - 18 * scale, y + 9 * scale);
        pen.fillStyle = this.color("--soft");
        pen.fillRect(left - 14 * scale, y, 12 * scale, scale);
      } else if (!this.small && row > 2 && (number === 11 || number === 21)) { // the first row has its month there
        pen.fillText(String(number), left - 10 * scale, y + 5 * scale);
        pen.fillRect(left - 7 * scale, y, 5 * scale, scale);
      }
    });
    pen.strokeRect(left - 0.5 * scale, top - 0.5 * scale, cells * across + scale, days.length * down + scale);
  }

  cursor(pen) {
    const { across, down, left, top, scale } = this.grid;
    const x = left + (this.at % this.data.cells) * across, y = top + Math.floor(this.at / this.data.cells) * down;
    const room = 2 * scale;
    pen.lineWidth = 2 * scale;
    pen.strokeStyle = this.color("--text");
    pen.strokeRect(x - room, y - room, across + 2 * room, down + 2 * room);
  }

  find(event) {
    const box = this.canvas.getBoundingClientRect();
    const { across, down, left, top, scale } = this.grid;
    const column = Math.floor(((event.clientX - box.left) * scale - left) / across);
    const row = Math.floor(((event.clientY - box.top) * scale - top) / down);
    const inside = column >= 0 && column < this.data.cells && row >= 0 && row < this.data.days.length;
    return inside ? row * this.data.cells + column : null;
  }

  first() {
    return Math.max(0, this.ids.findIndex((id) => id > 0));
  }

  point(event) {
    const n = this.find(event);
    if (n === null) this.leave();
    else if (n !== this.at) this.go(n, false);
  }

  choose(event) {
    const n = this.find(event);
    if (n === null) return;
    const again = n === this.at;
    const touched = event.pointerType === "touch";
    this.go(n, touched);
    // A finger covers the cell: the first touch tells, the second one or the link opens.
    if (this.ids[n] && (!touched || again)) this.open(n);
  }

  key(event) {
    const { cells } = this.data;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -cells, ArrowDown: cells, PageUp: -7 * cells, PageDown: 7 * cells };
    const here = this.at ?? this.first();
    if (event.key in steps) {
      const n = here + steps[event.key];
      if (n >= 0 && n < this.modes.length) this.go(n, true);
    } else if (event.key === "Home") this.go(this.first(), true);
    else if (event.key === "End") this.go(this.ids.findLastIndex((id) => id > 0), true);
    else if (event.key === "Enter" && this.ids[here]) this.open(here);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  go(n, speak = true) {
    this.at = n;
    this.draw();
    const text = this.describe(n);
    this.tip.replaceChildren(text);
    if (this.ids[n] && matchMedia("(hover: none)").matches) {
      const link = document.createElement("a");
      link.href = `/frames/${this.ids[n]}`;
      link.textContent = this.words.open;
      this.tip.append(" ", link);
    }
    this.tip.hidden = false;
    const { across, down, left, top, scale } = this.grid;
    const x = (left + (n % this.data.cells) * across) / scale, y = (top + Math.floor(n / this.data.cells) * down) / scale;
    const room = this.place.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(x + 12, room))}px`;
    const above = y > this.tip.offsetHeight + 40;
    this.tip.style.top = `${this.canvas.offsetTop + y + (above ? -this.tip.offsetHeight - 10 : down / scale + 12)}px`;
    if (speak) this.spoken.textContent = text;
  }

  leave() {
    this.at = null;
    this.tip.hidden = true;
    this.draw();
  }

  open(n) {
    location.href = `/frames/${this.ids[n]}`;
  }

  describe(n) {
    const { days, cells, faces, failed, missing } = this.data;
    const minutes = Math.floor(((n % cells) * 1440) / cells);
    const time = `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
    const when = `${days[Math.floor(n / cells)]} ${time} ${this.words.zone}`;
    const mode = this.modes[n];
    if (mode < 0) {
      const why = mode === failed ? this.words.failed : mode === missing ? this.words.missing : this.words.outside;
      return `${when}  ${why}`;
    }
    const name = faces[mode].name === faces[mode].code ? "" : ` ${faces[mode].name}`;
    const sure = this.confidence[n] === UNKNOWN ? "" : `  ${this.confidence[n]} %`;
    const marks = [];
    if (this.marks[n] & UNSURE) marks.push(this.words.unsure);
    if (this.marks[n] & REVIEWED) marks.push(this.words.reviewed);
    return `${when}  ${faces[mode].code}${name}${sure}${marks.length ? `  (${marks.join(", ")})` : ""}`;
  }
}

for (const place of document.querySelectorAll(".ribbon")) {
  try {
    const answer = await fetch(place.dataset.src);
    if (!answer.ok) throw new Error(answer.statusText);
    new Ribbon(place, await answer.json());
  } catch {
    const note = document.createElement("p");
    note.className = "away";
    note.textContent = place.dataset.trouble;
    place.append(note);
  }
}
